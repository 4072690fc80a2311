"""The desk for a program: its rows as one document, and decisions from a file of JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject
from gaslamp.data.documents import DeskDocument, RowPart
from gaslamp.data.review.desk import Desk, Item, show
from gaslamp.data.review.store import get_version

ACTIONS = ("keep", "edit", "drop", "clear", "new")
SHAPE = '{"id": "...", "action": "keep|edit|drop|clear"}, with "texts": {"<key of a part>": "..."} for edit'


def answer(desk: Desk, decisions: Path | None) -> DeskDocument:
    """The rows of a desk, after the decisions of a file.

    Args:
        desk: the rows.
        decisions: JSON lines; None: nothing is decided.

    Raises:
        GaslampError: lines that make no sense, all of them; nothing is decided then.
    """
    changed = decide(desk, decisions) if decisions else 0
    rows = [RowPart.model_validate(show(desk, item)) for item in desk.list_items()]
    return DeskDocument(
        title=desk.title,
        file=str(desk.store.path),
        changed=changed,
        decided=sum(bool(row.state) for row in rows),
        left_out=desk.left_out,
        classes=desk.classes,
        rows=rows,
    )


def decide(desk: Desk, file: Path) -> int:
    """Take the decisions of a file over, all or none; returns how many.

    ``{"action": "new", "texts": {...}}`` writes a row by hand where the desk takes any.

    Raises:
        GaslampError: the file cannot be read, or lines make no sense.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GaslampError(f"{file} cannot be read: {error}", f"a line for each decision: {SHAPE}") from error
    desk.store.read()
    known = {item.id: item for item in desk.list_items()}
    problems: list[str] = []
    wanted: dict[str, JsonObject | None] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            item, action, texts = _read(line, known, desk)
            if item.id in wanted:
                raise ValueError(f"{item.id} is decided twice")
            wanted[item.id] = desk.decide(item, action, texts)
        except (ValueError, KeyError) as error:
            problems.append(f"line {number}: {error}")
    if problems:
        shown = "; ".join(problems[:10]) + (f"; and {len(problems) - 10} more" if len(problems) > 10 else "")
        raise GaslampError(f"{file}, {shown}", f"a line for each decision: {SHAPE}", "nothing of the file was taken")
    for name, record in wanted.items():
        desk.store.change(name, record, get_version(desk.store.records.get(name)))
    return len(wanted)


def _read(line: str, known: dict[str, Item], desk: Desk) -> tuple[Item, str, dict[str, str]]:
    value = json.loads(line)
    if not isinstance(value, dict) or value.get("action") not in ACTIONS:
        raise ValueError(f"no object with an action of {', '.join(ACTIONS)}")
    texts = value.get("texts") or {}
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise ValueError("texts is no object of texts")
    if value["action"] == "new":
        item = desk.make()
        if item is None:
            raise ValueError("no rows are written by hand here")
    elif (found := known.get(str(value.get("id")))) is None:
        raise ValueError(f"there is no row {value.get('id')}")
    else:
        item = found
    parts = {part["key"] for part in show(desk, item)["parts"]}
    if unknown := sorted(set(texts) - parts):
        raise ValueError(f"no part {', '.join(unknown)}: it has {', '.join(sorted(parts))}")
    action = "edit" if value["action"] == "new" else value["action"]
    if (action == "edit") != bool(texts):
        raise ValueError("texts go with edit and new, and only with them")
    return item, action, texts
