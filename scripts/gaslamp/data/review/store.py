"""One JSON-lines file of decisions or rows: each change is on disk at once, and nobody's change is lost."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from gaslamp.core.files import JsonObject, lock, read_jsonl, sha256_text, write_jsonl


class Conflict(Exception):
    """Another tab or server changed the same row meanwhile."""


def get_version(record: JsonObject | None) -> str:
    """What identifies a state of a record; "" for none."""
    return sha256_text(json.dumps(record, sort_keys=True, ensure_ascii=False))[:12] if record else ""


class Store:
    """Records by id, in the order in which they were first made.

    The file is the truth: it is read again before each change, so that two servers and an editor may work on it.

    Args:
        path: the file; it is made by the first change.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.Lock()
        self._changes: list[tuple[str, JsonObject | None, str]] = []  # id, record before, version after
        self.records: dict[str, JsonObject] = {}
        self.read()

    def read(self) -> None:
        """Take up what the file holds now."""
        lines = list(read_jsonl(self.path)) if self.path.is_file() else []
        self.records = {str(line.get("id") or f"line-{number}"): line for number, line in enumerate(lines, 1)}

    def change(self, name: str, record: JsonObject | None, version: str) -> str:
        """Put a record in place of one, or remove it.

        Args:
            name: its id.
            record: the new one; None removes it.
            version: of the record that the person saw.

        Returns:
            The version of the new one.

        Raises:
            Conflict: it is another one by now.
        """
        return self._change(name, record, version, is_undo=False)

    def undo(self) -> str | None:
        """Take the last change of this process back, and return the id; None when there is none.

        Raises:
            Conflict: the record was changed elsewhere since.
        """
        if not self._changes:
            return None
        name, before, after = self._changes[-1]
        self._change(name, before, after, is_undo=True)
        return name

    def _change(self, name: str, record: JsonObject | None, version: str, is_undo: bool) -> str:
        with self._guard, lock(self.path.with_name(f".{self.path.name}.lock"), f"{self.path} is in use: waiting"):
            self.read()
            before = self.records.get(name)
            if get_version(before) != version:
                raise Conflict(name)
            if record is None:
                self.records.pop(name, None)
            else:
                self.records[name] = record
            write_jsonl(self.path, self.records.values())
            if is_undo:
                self._changes.pop()
            else:
                self._changes.append((name, before, get_version(record)))
            return get_version(record)

    @property
    def can_undo(self) -> bool:
        """Whether this process made a change."""
        return bool(self._changes)
