"""Cells that people put under such headers: one maker for each kind of column, found by its name.

Every call gives the same rows.
"""

from __future__ import annotations

import json
import random
from typing import Any

from gaslamp.data.meaning.names import get_hint, normalize

NOUNS = (
    "order invoice parcel refund delivery account password printer screen battery contract meeting garden "
    "window river train "
    "colour price number address holiday museum coffee sugar letter engine kitchen bridge doctor weather"
)
SMALL_WORDS = "the a of with for and from my your after before since"
WORDS, SMALL = NOUNS.split(), SMALL_WORDS.split()


def write_text(source: random.Random, words: int) -> str:
    """Sentences of about ``words`` words."""
    text = " ".join(
        source.choice(WORDS if number % 2 else SMALL) for number in range(words + source.randrange(words // 2 + 1))
    )
    return text.capitalize() + "."


def make_cell(name: str, source: random.Random, number: int) -> Any:
    """A cell as it stands under ``name``."""
    plain = normalize(name)
    hint = get_hint(name)
    concept, english = (hint.concept, hint.english) if hint else ("", "")
    if plain in ("file_name", "filename", "path", "image", "bild", "imagen", "图片"):
        return f"pictures/{number:04}.png"
    if english in ("json", "entities"):
        return json.dumps({"person": source.choice(WORDS), "place": source.choice(WORDS), "count": source.randrange(9)})
    if english in ("feedback", "thumbs"):
        return source.choice(("good", "bad"))
    if concept == "rating":
        return round(source.random(), 2) if plain.startswith("sentence") else source.randrange(1, 6)
    if concept == "winner":
        return source.choice(("response_a", "response_b"))
    if english == "code":
        return f"def f{number}(x):\n    return x + {source.randrange(99)}"
    if english in ("ground_truth", "final_answer"):
        return str(source.randrange(1000))
    if concept == "label":
        return f"{normalize(name)} {source.choice('abcde')}"
    if concept == "question":
        return f"How do I {write_text(source, 6)[:-1].lower()}?"
    if concept == "title":
        return write_text(source, 3)
    if concept == "meta":
        return number
    return write_text(
        source, 40 if concept in ("context",) or english in ("transcript", "article", "document", "body") else 14
    )


def make_rows(columns: list[str], count: int = 60) -> list[dict[str, Any]]:
    """``count`` rows with these columns."""
    source = random.Random(",".join(columns))
    rows = [{name: make_cell(name, source, number) for name in columns} for number in range(count)]
    if {"sentence1", "sentence2", "score"} <= set(columns):
        for row in rows:
            row["score"] = round(source.random(), 2)
    return rows
