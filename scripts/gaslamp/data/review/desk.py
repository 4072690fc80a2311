"""What lies on the page, and what a person's decision means: for generated rows, and for all rows of the data."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gaslamp.core.artefact import now
from gaslamp.core.contracts import Card, Compare
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_jsonl
from gaslamp.data.added import DROPPED, ID, REPLACES, SPLIT
from gaslamp.data.conversion import SPLITS
from gaslamp.data.review.parts import get_content_key, get_core, get_parts, has_media, make_empty, put_parts
from gaslamp.data.review.store import Store, get_version
from gaslamp.data.rows import Row
from gaslamp.data.system_turn import get_system

MOST = 5000
"""Rows on the page; the first ones are those that matter most."""


@dataclass
class Item:
    """A row on the page.

    Attributes:
        id: its name.
        row: as it is learnt without a decision.
        notes: what is known of it: score, reason, the answer of a model.
        split: where it stands; "" where that is open.
        columns: further columns that stay with it.
    """

    id: str
    row: Row
    notes: list[str] = field(default_factory=list)
    split: str = ""
    columns: JsonObject = field(default_factory=dict)


class Desk(Protocol):
    """Rows to decide on."""

    title: str
    store: Store
    left_out: str  # what is not on the page and why; "" for nothing
    classes: list[str]  # answers that are picked by a digit

    def list_items(self) -> list[Item]:
        """All rows, those that matter most first."""
        ...

    def read_state(self, item: Item) -> tuple[str, Row]:
        """What was decided (keep, edit, drop or "") and the row as it is now."""
        ...

    def decide(self, item: Item, action: str, texts: dict[str, str]) -> JsonObject | None:
        """The record of a decision; None removes it. Raises ValueError for one that makes no sense."""
        ...

    def make(self) -> Item | None:
        """An empty row, where new ones can be written."""
        ...


def show(desk: Desk, item: Item) -> JsonObject:
    """An item for the page."""
    state, row = desk.read_state(item)
    return {
        "id": item.id,
        "version": get_version(desk.store.records.get(item.id)),
        "state": state,
        "split": item.split,
        "notes": item.notes,
        "parts": [part.dump() for part in get_parts(row)],
    }


class ReviewDesk:
    """The rows that a model wrote: which of them are learnt.

    Args:
        candidates: candidates.jsonl.
        review: file of the decisions.

    Raises:
        GaslampError: nothing was generated yet.
    """

    title = "Generated rows"

    def __init__(self, candidates: Path, review: Path) -> None:
        if not candidates.is_file():
            raise GaslampError(
                f"there are no generated rows: {candidates} is missing",
                "make generate writes them, by data.generate in config.yaml",
                "rows by hand need no model: make label",
            )
        self.store, self.left_out, self.classes = Store(review), "", list[str]()
        self._items = [_read_candidate(line) for line in read_jsonl(candidates)]
        self._items.sort(key=lambda item: item.columns["score"])  # the doubtful first
        answers = {get_parts(item.row)[-1].text for item in self._items}
        if len(answers) <= 9 < len(self._items) and all(len(text) < 40 for text in answers):
            self.classes = sorted(answers)

    def list_items(self) -> list[Item]:
        """The candidates, those with the lowest score first."""
        return self._items

    def read_state(self, item: Item) -> tuple[str, Row]:
        """What was decided, and the row as it would be learnt."""
        record = self.store.records.get(item.id)
        return (record["decision"], record.get("row", item.row)) if record else ("", item.row)

    def decide(self, item: Item, action: str, texts: dict[str, str]) -> JsonObject | None:
        """keep, drop, edit, or clear: no decision again."""
        if action == "clear":
            return None
        if action not in ("keep", "drop", "edit"):
            raise ValueError(f"no such action: {action}")
        row = put_parts(self.read_state(item)[1], texts) if action == "edit" else item.row
        changed = {"row": row} if action == "edit" and row != item.row else {}
        return {
            "id": item.id,
            "decision": "edit" if changed else "drop" if action == "drop" else "keep",
            **changed,
            "time": now(),
        }

    def make(self) -> Item | None:
        """Generated rows are not written by hand."""
        return None


def _read_candidate(line: JsonObject) -> Item:
    origin, score = line["origin"], line["score"]
    notes = [f"judge: {score:g} of 10, {line['why']}"] if score is not None else []
    notes += [f"about {origin['document']}"] if origin["document"] else []
    notes.append(f"{origin['generated_by']}, temperature {origin['temperature']:g}: {origin['style']}")
    return Item(line["id"], line["row"], notes, columns={"score": 0.0 if score is None else score})


class LabelDesk:
    """All rows of the data, to correct, drop or add: the worst answers of the evaluation first.

    Args:
        folder: data/, with train, valid and test rows; may be empty.
        labels: file of the rows that were written or corrected.
        kind: of the rows, as the method takes them.
        compare: compare.json of an evaluation, or None.
        system: data.system, which every row gets anyway.
        slice_column: data.slice.
    """

    title = "Rows by hand"

    def __init__(
        self, folder: Path, labels: Path, kind: str, compare: Path | None, system: str | None, slice_column: str
    ) -> None:
        make_empty(kind)  # raises for kinds that are not written by hand
        self.store, self.kind = Store(labels), kind
        self._system, self._slice = system, slice_column
        card = Card.read(folder / "card.json") if (folder / "card.json").is_file() else None
        self.classes = list(card.classes)[:9] if card and kind in ("conversation", "prompt") else []
        self._rows: list[Item] = []
        media = 0
        for split in SPLITS[::-1]:
            file = folder / f"{split}.jsonl"
            for row in read_jsonl(file) if file.is_file() else ():
                if has_media(row):
                    media += 1
                elif not row["id"].startswith(("rehearsal-", "kept-")):
                    self._rows.append(self._read_row(row, split))
        if compare:
            self._rank(Compare.read(compare))
        cut = max(0, len(self._rows) - MOST)
        parts = [f"{media} rows with pictures or recordings: correct them in your own file"] * bool(media)
        parts += [f"{cut} further rows: the page shows {MOST}"] * bool(cut)
        self.left_out, self._rows = "; ".join(parts), self._rows[:MOST]

    def _read_row(self, row: Row, split: str) -> Item:
        core = get_core(row)
        if self._system and get_system(core) == self._system:
            key = "messages" if "messages" in core else "prompt"
            core = {**core, key: core[key][1:]}
        columns = dict(row.get("columns") or {})
        if "slice" in row:
            columns[self._slice] = row["slice"]
        return Item(row["id"], core, [], split, columns)

    def _rank(self, compare: Compare) -> None:
        """Test rows with the worst answers of the tuned model first, with that answer as a note."""
        found = {example.id: example for example in compare.examples}
        worst = {name: rank for rank, name in enumerate(compare.worst)}
        sign = -1 if compare.metrics[0].higher is False else 1
        for item in self._rows:
            if (example := found.get(item.id)) is None:
                continue
            score = "" if example.tuned_score is None else f" ({compare.metrics[0].title}: {example.tuned_score:.2f})"
            item.notes.append(f"the tuned model answered{score}: {example.tuned.strip() or '(nothing)'}")

        def get_rank(item: Item) -> tuple[int, float]:
            example = found.get(item.id)
            if example is None or example.tuned_score is None:
                return (2, 0.0)
            return (0, worst[item.id]) if item.id in worst else (1, sign * example.tuned_score)

        self._rows.sort(key=get_rank)

    def list_items(self) -> list[Item]:
        """The rows of the data, then those that were written by hand and are not among them yet."""
        records = self.store.records
        known = {item.id for item in self._rows}
        by_content = {
            get_content_key(get_core(record)): name for name, record in records.items() if not record.get(DROPPED)
        }
        items = []
        for item in self._rows:
            name = by_content.get(get_content_key(item.row))
            if item.id not in records and name and name not in known:
                known.add(name)  # corrected before, and prepared since: the record knows which row it stands for
                item = Item(name, item.row, item.notes, item.split, item.columns)
            items.append(item)
        own = [
            Item(name, get_core(record), ["written by hand"] if REPLACES not in record else [], record.get(SPLIT) or "")
            for name, record in records.items()
            if name not in known and not record.get(DROPPED)
        ]
        return [*own, *items]

    def read_state(self, item: Item) -> tuple[str, Row]:
        """What was decided, and the row as it would be learnt."""
        record = self.store.records.get(item.id)
        if record is None:
            return "", item.row
        if record.get(DROPPED):
            return "drop", item.row
        row = get_core(record)
        return ("keep" if row == item.row and REPLACES in record else "edit"), row

    def decide(self, item: Item, action: str, texts: dict[str, str]) -> JsonObject | None:
        """keep (it is right), drop, edit, or clear: as the source has it."""
        before = self.store.records.get(item.id)
        is_own = REPLACES not in before if before else item.id.startswith("new-")
        if action == "clear" or (action == "drop" and is_own):
            return None
        if action not in ("keep", "drop", "edit"):
            raise ValueError(f"no such action: {action}")
        row = put_parts(self.read_state(item)[1], texts) if action == "edit" else self.read_state(item)[1]
        if before and not before.get(DROPPED):
            marks = {key: value for key, value in before.items() if key not in get_core(before)}
        else:
            marks = {**item.columns, ID: item.id}
            marks |= {} if is_own else {REPLACES: item.id, SPLIT: item.split}
        return {**row, **marks, **({DROPPED: True} if action == "drop" else {})}

    def make(self) -> Item | None:
        """An empty row of the method's kind."""
        return Item(f"new-{secrets.token_hex(6)}", make_empty(self.kind))
