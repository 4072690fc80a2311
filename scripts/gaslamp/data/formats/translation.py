"""Translations in one column: ``{"translation": {"en": "cheese", "de": "Käse"}}``."""

from __future__ import annotations

from gaslamp.data.cells import first_value
from gaslamp.data.meaning.names import LANGUAGES, normalize
from gaslamp.data.rows import Row, SourceRow

KIND = "conversation"
ORDER = 30
EXAMPLE = '{"translation": {"en": "cheese", "de": "Käse"}}'
REQUIRED = ("translation", "from_language", "to_language")
OPTIONAL = ()


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """The first column whose objects have a text for each of two languages: from the first to the second."""
    for column in columns:
        value = first_value(rows, column)
        if isinstance(value, dict):
            languages = [key for key, text in value.items() if _is_language(key) and isinstance(text, str)]
            if len(languages) >= 2 and len(languages) == len(value):
                return _map(column, languages[0], languages[1])
    return None


def get_readings(columns: list[str], rows: list[SourceRow]) -> list[tuple[str, dict[str, str], str]]:
    """Every direction, where the column has more than two languages; two are translated in the order of the file."""
    mapping = detect(columns, rows)
    if not mapping:
        return []
    column = mapping["translation"]
    languages = list(first_value(rows, column))
    pairs = [(a, b) for a in languages for b in languages if a != b] if len(languages) > 2 else [tuple(languages)]
    return [
        (
            f"translate {a} {b}",
            _map(column, a, b),
            f"translates '{a}' to '{b}'" + (", in the order of the file" * (len(pairs) == 1)),
        )
        for a, b in pairs
    ]


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """The text in one language, answered by the text in the other.

    Raises:
        ValueError: the column holds no such texts.
    """
    value = row.get(mapping["translation"])
    texts = []
    for role in ("from_language", "to_language"):
        text = value.get(mapping[role]) if isinstance(value, dict) else None
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"column '{mapping['translation']}' has no text in '{mapping[role]}'")
        texts.append(text)
    return {"messages": [{"role": "user", "content": texts[0]}, {"role": "assistant", "content": texts[1]}]}


def _map(column: str, source: str, target: str) -> dict[str, str]:
    return {"translation": column, "from_language": source, "to_language": target}


def _is_language(key: object) -> bool:
    return isinstance(key, str) and (normalize(key) in LANGUAGES or key.partition("_")[2] in ("Latn", "Cyrl", "Arab"))
