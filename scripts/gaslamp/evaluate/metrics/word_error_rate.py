"""Word error rate (jiwer): words to insert, delete or replace, against the words of the reference.

For text in images and speech.
"""

from gaslamp.core.packages import require_package

TITLE = "word errors (WER)"
BINARY = False
HIGHER = False
UNIT = "share"


def score(answer: str, reference: str) -> float | None:
    """0 for the same words; above 1 when the answer has more words and they are wrong.

    ``None`` for an empty reference.
    """
    require_package("jiwer", "the metric word_error_rate", "cpu")
    import jiwer

    return float(jiwer.wer(reference.strip(), answer.strip())) if reference.strip() else None
