"""The completion is in the wanted language (py3langid, 97 languages, by ISO 639-1 code)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from gaslamp.data.answers import get_question
from gaslamp.data.rows import Message, Row

TITLE = "in the right language"
EXAMPLE = {
    "completion": "Das Wetter ist heute sehr schön, wir gehen spazieren.",
    "row": {},
    "options": {"language": "de"},
    "score": 1.0,
}


def score(prompt: list[Message], completion: str, row: Row, language: str | None = None, least: int = 10) -> float:
    """1 or 0. ``language`` null: that of the question. A text under ``least`` letters is in no language and gets 0."""
    identifier = _load()
    if language is not None and language not in identifier.nb_classes:
        raise ValueError(f"no language '{language}' (known: {', '.join(sorted(identifier.nb_classes))})")
    if sum(letter.isalpha() for letter in completion) < least:
        return 0.0
    wanted = language or identifier.classify(get_question(prompt))[0]
    return float(identifier.classify(completion)[0] == wanted)


@lru_cache(maxsize=1)
def _load() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)
