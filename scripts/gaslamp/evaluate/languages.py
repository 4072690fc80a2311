"""The language of a text, where it is certain."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

LEAST = 40  # letters; shorter texts are guessed wrong too often
CJK_LEAST = 8  # letters of a script that writes whole words with one or two
SURE = 0.95  # probability
NONE = ("zxx", "und", "mul")  # codes of what is no language: letters at random


def find_language(text: str) -> str | None:
    """ISO 639-1 code; ``None`` for a text that is too short, not clearly of one language, or of none."""
    letters = [letter for letter in text if letter.isalpha()]
    wide = sum(letter >= "\u0250" for letter in letters)
    if len(letters) < (CJK_LEAST if wide > len(letters) / 2 else LEAST):
        return None
    language, probability = _load().classify(text)
    return str(language) if probability >= SURE and language not in NONE else None


@lru_cache(maxsize=1)
def _load() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
