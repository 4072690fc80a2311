"""Character error rate (jiwer): characters to insert, delete or replace, against the length of the reference.

For text in images.
"""

from gaslamp.core.packages import require_package

TITLE = "character errors (CER)"
BINARY = False
HIGHER = False
UNIT = "share"


def score(answer: str, reference: str) -> float | None:
    """0 for the same text; above 1 when the answer is longer than the reference and wrong.

    ``None`` for an empty reference.
    """
    require_package("jiwer", "the metric character_error_rate", "cpu")
    import jiwer

    return float(jiwer.cer(reference.strip(), answer.strip())) if reference.strip() else None
