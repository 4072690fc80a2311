"""A row as texts that a person can edit, and back: the same for every kind of row."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data.rows import KINDS, Row, get_images, get_kind

LISTS = {"messages": "", "prompt": "", "chosen": "better answer", "rejected": "worse answer", "completion": "answer"}
"""Keys that hold turns, and what their assistant turns are called; "" : by the role."""
TEXTS = {
    "text": "text",
    "anchor": "text",
    "positive": "belongs to it",
    "negative": "does not belong to it",
    "answer": "result",
}
VERDICTS = ("good", "bad")
ROLES = {"system": "system prompt", "user": "user", "assistant": "answer", "tool": "result of a tool"}
MAY_BE_EMPTY = ("system", "tool")


@dataclass
class Part:
    """One text of a row.

    Attributes:
        key: where it stands: ``messages.1``, ``anchor``, ``label``.
        name: for the person.
        text: as it stands.
        fixed: it cannot be edited here (a tool call).
        choices: what it may be; empty: any text.
    """

    key: str
    name: str
    text: str
    fixed: bool = False
    choices: tuple[str, ...] = ()

    def dump(self) -> JsonObject:
        """For the page."""
        return asdict(self)


def has_media(row: Row) -> bool:
    """Whether a row holds pictures or recordings: its files are named relative to data/, so it is not copied."""
    return "audio" in row or any(get_images(row[key]) for key in LISTS if isinstance(row.get(key), list))


def get_parts(row: Row) -> list[Part]:
    """The texts of a row, in reading order."""
    parts = []
    for key in (*LISTS, *TEXTS):
        value = row.get(key)
        if isinstance(value, list):
            for number, turn in enumerate(value):
                role = str(turn.get("role", ""))
                name = LISTS[key] if LISTS.get(key) and role == "assistant" else ROLES.get(role, role)
                content = turn.get("content")
                calls = turn.get("tool_calls")
                fixed = bool(calls) or not isinstance(content, str)
                shown = content if isinstance(content, str) and not calls else _show(content, calls)
                parts.append(Part(f"{key}.{number}", name, shown, fixed))
        elif isinstance(value, str) and key in TEXTS:
            parts.append(Part(key, TEXTS[key], value))
    if isinstance(row.get("label"), bool):
        parts.append(Part("label", "the answer is", VERDICTS[not row["label"]], choices=VERDICTS))
    return parts


def _show(content: Any, calls: Any) -> str:
    import json

    texts = [content] if isinstance(content, str) and content else []
    return "\n".join([*texts, *(json.dumps(item, ensure_ascii=False) for item in calls or content or [])])


def put_parts(row: Row, texts: dict[str, str]) -> Row:
    """A copy of ``row`` with other texts.

    Args:
        row: as ``get_parts`` shows it.
        texts: key of a part -> its text; parts that are left out stay.

    Raises:
        ValueError: no such part, one that is fixed, or an empty text; says which.
    """
    known = {part.key: part for part in get_parts(row)}
    result = copy.deepcopy(row)
    for key, text in texts.items():
        part = known.get(key)
        if part is None or part.fixed:
            raise ValueError(f"{key} cannot be edited")
        if part.choices and text not in part.choices:
            raise ValueError(f"{part.name}: {', '.join(part.choices)}")
        place, _, number = key.partition(".")
        role = result[place][int(number)]["role"] if number else ""
        if not text.strip() and role not in MAY_BE_EMPTY:
            raise ValueError(f"{part.name} is empty")
        if key == "label":
            result["label"] = text == VERDICTS[0]
        elif number:
            result[place][int(number)] = {**_without_marks(result[place][int(number)]), "content": text}
        else:
            result[place] = text
    return result


def _without_marks(turn: JsonObject) -> JsonObject:
    """A turn without ranges of trained characters: they count those of the old text."""
    return {key: value for key, value in turn.items() if not (key == "train" and isinstance(value, list))}


def make_empty(kind: str) -> Row:
    """A row of a kind with empty texts."""
    user, assistant = {"role": "user", "content": ""}, {"role": "assistant", "content": ""}
    made: dict[str, Row] = {
        "conversation": {"messages": [user, assistant]},
        "preference": {"prompt": [user], "chosen": [assistant], "rejected": [assistant]},
        "rating": {"prompt": [user], "completion": [assistant], "label": True},
        "prompt": {"prompt": [user], "answer": ""},
        "pair": {"anchor": "", "positive": ""},
        "text": {"text": ""},
    }
    if kind not in made:
        raise ValueError(f"{kind} rows cannot be written here")
    return copy.deepcopy(made[kind])


def get_core(row: Row) -> Row:
    """The keys of a row that its kind needs, and its tools: what it says, without id, slice and columns."""
    keys = (*KINDS[get_kind(row)], "tools", "answer", "negative", "margin")
    return {key: row[key] for key in keys if key in row}


def get_content_key(row: Row) -> tuple[tuple[str, str], ...]:
    """What is equal for two rows that say the same, whatever their ids."""
    return tuple((part.key, part.text) for part in get_parts(row))
