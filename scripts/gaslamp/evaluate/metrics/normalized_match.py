"""The answer is the reference once case, punctuation at the ends,
white space and typographic variants are set aside.
"""

import re
import unicodedata

TITLE = "match after tidying"
BINARY = True


def normalize(text: str) -> str:
    """Compatibility forms unified (NFKC), lower case, runs of white space as one space,
    punctuation at both ends dropped.
    """
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return re.sub(r"^[^\w]+|[^\w]+$", "", text)


def score(answer: str, reference: str) -> float:
    """1 when equal after that, else 0."""
    return float(answer.strip() == reference.strip() or normalize(answer) == normalize(reference) != "")
