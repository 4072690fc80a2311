"""Words that answer and reference share (harmonic mean of precision and recall), for answers in free text.

Source: the F1 of SQuAD (Rajpurkar et al., 2016), without its dropping of English articles.
"""

import re
from collections import Counter

TITLE = "word overlap (F1)"
BINARY = False


def score(answer: str, reference: str) -> float:
    """0 (no common word) to 1 (the same words)."""
    given, wanted = re.findall(r"\w+", answer.lower()), re.findall(r"\w+", reference.lower())
    if not given or not wanted:
        return float(given == wanted)
    common = sum((Counter(given) & Counter(wanted)).values())
    return 2 * common / (len(given) + len(wanted))
