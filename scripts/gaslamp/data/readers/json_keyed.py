"""JSON objects whose keys are part of the data: splits of pairs (CLINC150), classes (Snips), messages of a program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning.names import LANGUAGES, normalize
from gaslamp.data.readers.splits import get_split

Row = dict[str, Any]
Parts = list[tuple[str | None, list[Row]]]
FEWEST = 10  # texts under nested keys that make an object the messages of a program
LONG = 200  # letters of a text, in the mean, that is more than such a message
_CODE = re.compile(r"[a-z]{2}([-_][A-Za-z]{2,4})?")
_ID = re.compile(r"[\w-]+([.:/][\w-]+)+|[a-z0-9]+(_[a-z0-9]+)+|[A-Z0-9]+(_[A-Z0-9]+)+")
"""``btn.pay``, ``nav_home``, ``ERROR_404``: the name of a message."""


def get_pairs(value: Row) -> Parts | None:
    """The parts of ``{"train": [["text", "class"], ...], "oos_test": ...}`` as rows; ``None`` for another object."""
    names = [get_split(re.sub(r"^(oos|ood)_", "", key)) for key in value]
    if not value or not all(names):
        return None
    lists = list(value.values())
    if not all(isinstance(items, list) and items and all(map(_is_pair, items[:20])) for items in lists):
        return None
    if any(not _is_pair(item) for items in lists for item in items):
        return None
    rows = [[{"text": text, "label": label} for text, label in items] for items in lists]
    return list(zip(names if "train" in names else [None] * len(names), rows, strict=True))


def _is_pair(item: object) -> bool:
    return isinstance(item, list) and len(item) == 2 and all(isinstance(part, str) for part in item)


def get_utterances(value: Row) -> tuple[list[Row], str] | None:
    """The sentences of a language model of LUIS or CLU, and what they are; ``None`` for another object."""
    inner = value["assets"] if isinstance(value.get("assets"), dict) else value
    rows = inner.get("utterances")
    if not isinstance(inner.get("intents"), list) or not isinstance(rows, list) or not rows:
        return None
    if not all(isinstance(row, dict) and isinstance(row.get("text"), str) and "intent" in row for row in rows):
        return None
    return rows, "its utterances are read as LUIS and CLU export them; its other lists describe them"


def get_classes(value: Row) -> tuple[list[Row], str] | None:
    """``{"PlayMusic": [{"data": [{"text": "play "}, ...]}, ...]}`` (Snips): a row for each sentence, with its key."""
    rows: list[Row] = []
    for key, items in value.items():
        if not isinstance(items, list) or not items:
            return None
        for item in items:
            pieces = item.get("data") if isinstance(item, dict) else None
            if not isinstance(pieces, list) or not all(isinstance(one, dict) and "text" in one for one in pieces):
                return None
            found = {str(one["entity"]): str(one["text"]) for one in pieces if one.get("entity")}
            text = "".join(str(one["text"]) for one in pieces).strip()
            rows.append({"text": text, "intent": key, **({"entities": found} if found else {})})
    return (rows, "its keys are classes, as Snips writes them: each sentence is a row") if rows else None


def get_messages(value: Row, title: str) -> tuple[list[Row], str] | None:
    """The messages of a program in several languages, a row for each key; ``None`` for another object.

    Args:
        value: languages, below them keys (of keys) with a text each.
        title: of the file.

    Raises:
        GaslampError: it has one language: of a key and its text nothing can be learnt.
    """
    if not value or not all(isinstance(part, dict | str) for part in value.values()):
        return None
    languages = [key for key in value if normalize(key) in LANGUAGES or _CODE.fullmatch(key)]
    if len(languages) == len(value) > 1 and all(isinstance(part, dict) for part in value.values()):
        texts = {name: dict(_flatten(part)) for name, part in value.items()}
        if not all(found and all(isinstance(text, str) for text in found.values()) for found in texts.values()):
            return None
        shared = [key for key in next(iter(texts.values())) if all(found.get(key) for found in texts.values())]
        left = len({key for found in texts.values() for key in found} - set(shared))
        how = f"its keys are languages: the texts of a key are a row ({len(shared)} rows)"
        how += f"; left out, as a language has no text for them: {left} keys" if left else ""
        rows = [{"key": key, **{name: found[key] for name, found in texts.items()}} for key in shared]
        if shared:
            return rows, how
    leaves = list(_flatten(value))
    nested = any(isinstance(part, dict) for part in value.values())
    texts_only = [text for _, text in leaves if isinstance(text, str)]
    if len(leaves) < FEWEST or len(texts_only) < len(leaves):
        return None
    named = all(_ID.fullmatch(key) for key, _ in leaves)
    if not named or (nested and not _is_deep(value)):
        return None
    if sum(map(len, texts_only)) >= LONG * len(leaves):
        return None
    raise GaslampError(
        f"{title} holds {len(leaves)} messages of a program in one language, each under its key ({leaves[0][0]})",
        'to learn to translate, put the languages into one file: {"en": {...}, "de": {...}} with the same keys',
        "to learn the texts alone, save them as a .txt file, one in each line",
    )


def _is_deep(value: Row) -> bool:
    """Whether the parts of an object have keys of their own, unlike rows under their keys."""
    parts = [set(part) for part in value.values() if isinstance(part, dict)]
    return len(parts) < len(value) or not set.intersection(*parts)


def _flatten(value: Row, before: str = "") -> Iterator[tuple[str, object]]:
    """Path of keys -> text."""
    for key, part in value.items():
        if isinstance(part, dict):
            yield from _flatten(part, f"{before}{key}.")
        else:
            yield f"{before}{key}", part
