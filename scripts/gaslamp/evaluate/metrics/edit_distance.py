"""How few characters must be changed to make the answer the reference (Levenshtein), as a share of the longer one."""

from gaslamp.core.packages import require_package

TITLE = "likeness by edits"
BINARY = False


def score(answer: str, reference: str) -> float:
    """1 for the same text, 0 when nothing can stay."""
    require_package("rapidfuzz", "the metric edit_distance", "cpu")
    from rapidfuzz.distance import Levenshtein

    return float(Levenshtein.normalized_similarity(answer.strip(), reference.strip()))
