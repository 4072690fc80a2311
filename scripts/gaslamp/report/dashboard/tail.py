"""Reading a file of JSON lines that grows: only what was appended since the last look."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.files import JsonObject

HEAD = 120  # bytes at the start that identify a file: a start event has its time and key there
CHUNK = 2_000_000  # bytes per read: a long history comes in parts, so that a server can answer between them


class Tail:
    """The new complete lines of a file that grows; a file that was replaced or cut is read from its start."""

    def __init__(self, path: Path) -> None:
        """Start before the first line of ``path``, which need not exist yet."""
        self.path, self.offset = path, 0
        self.state: tuple[int, int, int] | None = None  # inode, size, time of change when everything had been read
        self.head = b""  # how the file begins: a new file may get the inode of the old one

    def read(self) -> tuple[bool, list[JsonObject]]:
        """Whether the file was replaced, and its new lines as objects, up to CHUNK bytes; broken lines are skipped."""
        import orjson

        try:
            stat = self.path.stat()
        except OSError:
            return False, []
        state = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if state == self.state:
            return False, []
        if not self.path.is_file():  # a folder in its place
            return False, []
        with self.path.open("rb") as handle:
            replaced = stat.st_size < self.offset or handle.read(len(self.head)) != self.head
            if replaced:
                self.offset, self.head = 0, b""
            if not self.head:
                handle.seek(0)
                self.head = handle.read(HEAD)
            handle.seek(self.offset)
            data = handle.read(CHUNK)
        end = data.rfind(b"\n") + 1
        self.offset += end
        self.state = state if len(data) < CHUNK else None
        rows = []
        for line in data[:end].splitlines():
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(row, dict):
                rows.append(row)
        return replaced, rows
