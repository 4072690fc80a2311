"""The reward that training maximizes, on rows it never saw: the weighted sum of train.rewards, with each part."""

from collections.abc import Sequence

from gaslamp.core.files import JsonObject
from gaslamp.data.rows import Row, get_prompt
from gaslamp.evaluate.predictions import Prediction, get_whole_text
from gaslamp.train.reward_runner import Scorer, get_total, load_rewards

TITLE = "mean reward"
BINARY = False
UNIT = "points"
REFERENCE = False
BASELINES = True


def score_set(rows: list[Row], predictions: list[Prediction], *, rewards: Sequence[JsonObject] = ()) -> list[float]:
    """One sum for each row; its parts go to ``prediction["rewards"]``.

    ``rewards``: entries like those of train.rewards.
    """
    loaded = load_rewards(rewards)
    scorer = Scorer(loaded)
    try:
        parts = scorer.score(
            [get_prompt(row) for row in rows], [get_whole_text(prediction) for prediction in predictions], rows
        )
    finally:
        scorer.close()
    for number, prediction in enumerate(predictions):
        prediction["rewards"] = {label: values[number] for label, values in parts.items()}
    totals: list[float] = get_total(loaded, parts)
    return totals


def report(rows: list[Row], predictions: list[Prediction], values: list[float]) -> dict[str, object]:
    """Mean of each reward, unweighted."""
    labels = predictions[0]["rewards"]
    return {
        label: round(sum(prediction["rewards"][label] for prediction in predictions) / len(predictions), 6)
        for label in labels
    }
