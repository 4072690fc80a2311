"""The rows that a reader of the data page searches: their turns as text, with the split and part they belong to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from gaslamp.core.contracts import Card
from gaslamp.core.files import JsonObject
from gaslamp.data.rows import Message, Row, format_calls, get_calls, get_text

MOST = 6_000_000  # characters of all rows together: the page opens within two seconds
LONG = 4000  # characters of a turn
SCANNED = 50_000  # training rows among which one of each slice is looked for
SLICES = 12  # of which a row is shown
SPLITS = ("test", "valid", "train")  # test rows first: they are few, and a page over its limit ends with training rows


def get_page_rows(card: Card, folder: Path) -> JsonObject:
    """The data of the list: ``rows``, each with number, split, slice and parts, and ``left_out``, rows over the limit.

    Args:
        card: with the rows of each split, rehearsal rows at the end of the training rows.
        folder: data/.
    """
    rows: list[JsonObject] = []
    left = MOST
    for split in SPLITS:
        own = card.rows[split] - (card.rows.get("rehearsal", 0) if split == "train" else 0)
        for number, row in _read(folder / f"{split}.jsonl"):
            parts = get_parts(row)
            left -= sum(len(text) for _, text in parts)
            if left < 0:
                break
            name = "rehearsal" if split == "train" and number > own else split
            rows.append({"number": number, "split": name, "slice": str(row.get("slice") or ""), "parts": parts})
    return {"rows": rows, "left_out": sum(card.rows[split] for split in SPLITS) - len(rows)}


def get_parts(row: Row) -> list[tuple[str, str]]:
    """What a row says: (role or side, text) in its order; long texts are cut."""
    parts: list[tuple[str, str]] = []
    for key in ("messages", "prompt", "completion", "chosen", "rejected"):
        for turn in row.get(key) or ():
            parts.append((key if key in ("chosen", "rejected") else str(turn["role"]), _show(turn)))
    for key in ("answer", "text", "anchor", "positive", "negative"):
        if row.get(key) is not None and isinstance(row[key], str | int | float):
            parts.append((key, str(row[key])))
    if "label" in row:
        parts.append(("rated", "good" if row["label"] else "bad"))
    return [(who, text if len(text) <= LONG else f"{text[:LONG]} … {len(text) - LONG} more characters")
            for who, text in parts]  # fmt: skip


def pick_slices(file: Path, shown: set[int], rows: int) -> list[tuple[int, Row]]:
    """The first training row of each slice that no row in ``shown`` has, with its number from 1.

    Args:
        file: training rows.
        shown: numbers of the rows that are shown anyway.
        rows: how many of the file are of the task.
    """
    known: dict[str, tuple[int, Row]] = {}
    for number, row in islice(_read(file), min(rows, SCANNED)):
        if not row.get("slice"):
            break  # a slice is a column: every row has one, or none
        if number in shown or str(row["slice"]) not in known:
            known[str(row["slice"])] = (number, row)
    return sorted((one for one in known.values() if one[0] not in shown), key=lambda one: one[0])[:SLICES]


def _read(file: Path) -> Iterator[tuple[int, Row]]:
    with file.open(encoding="utf-8") as handle:
        for number, line in enumerate(handle, 1):
            yield number, json.loads(line)


def _show(turn: Message) -> str:
    calls = get_calls(turn)
    return "\n".join(part for part in (get_text(turn), format_calls(calls) if calls else "") if part)
