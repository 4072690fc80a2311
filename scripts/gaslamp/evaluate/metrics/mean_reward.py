"""The reward that training maximizes, on rows it never saw: the weighted sum of train.rewards, each part told apart."""

from collections.abc import Mapping, Sequence
from typing import Any

TITLE = "mean reward"
BINARY = False
UNIT = "points"
REFERENCE = False


def score_set(
    rows: list[dict[str, Any]], predictions: list[dict[str, Any]], *, rewards: Sequence[Mapping[str, Any]] = ()
) -> list[float]:
    """One sum for each row; its parts go to ``prediction["rewards"]``. ``rewards``: entries like those of train.rewards."""
    from gaslamp.data.rows import get_prompt
    from gaslamp.train.reward_runner import Scorer, get_total, load_rewards

    loaded = load_rewards(rewards)
    scorer = Scorer(loaded)
    try:
        parts = scorer.score(
            [get_prompt(row) for row in rows], [prediction["text"] for prediction in predictions], rows
        )
    finally:
        scorer.close()
    for number, prediction in enumerate(predictions):
        prediction["rewards"] = {label: values[number] for label, values in parts.items()}
    totals: list[float] = get_total(loaded, parts)
    return totals


def report(rows: list[dict[str, Any]], predictions: list[dict[str, Any]], values: list[float]) -> dict[str, Any]:
    """Mean of each reward, unweighted."""
    labels = predictions[0]["rewards"]
    return {
        label: round(sum(prediction["rewards"][label] for prediction in predictions) / len(predictions), 6)
        for label in labels
    }
