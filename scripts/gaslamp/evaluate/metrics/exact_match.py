"""The answer is the reference, to the letter (white space at both ends aside)."""

TITLE = "exact match"
BINARY = True


def score(answer: str, reference: str) -> float:
    """1 when equal, else 0."""
    return float(answer.strip() == reference.strip())
