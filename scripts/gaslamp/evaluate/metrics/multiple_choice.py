"""The model finds the right choice likelier than the others. Choices are scored by likelihood, not generated.

Options: ``choices`` (a list, for all rows), or ``column`` (the user's column with the choices of each row, separated by
    |); without them the different references of the test set. ``normalize``: by token (default), so that long choices
    have no handicap.
"""

from gaslamp.evaluate.predictions import Prediction

TITLE = "right choice"
BINARY = True
NEEDS = ("choices",)
INPUT_OPTIONS = ("choices", "column")


def get_ranking(prediction: Prediction, normalize: bool) -> list[tuple[float, str]]:
    """(log-likelihood, choice), the likeliest first."""
    found = {
        name.removeprefix("choice:"): item
        for name, item in prediction.get("likelihood", {}).items()
        if name.startswith("choice:")
    }
    return sorted(
        ((item["logp"] / (item["tokens"] if normalize else 1), text) for text, item in found.items()), reverse=True
    )


def score(
    answer: str,
    reference: str,
    *,
    prediction: Prediction,
    normalize: bool = True,
    choices: list[str] | None = None,
    column: str | None = None,
) -> float | None:
    """1 when the reference is the likeliest choice; ``None`` when it is none of them."""
    ranking = get_ranking(prediction, normalize)
    if reference.strip() not in [text for _, text in ranking]:
        return None
    return float(ranking[0][1] == reference.strip())
