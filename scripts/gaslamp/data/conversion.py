"""What a process needs to convert chunks of rows, and what comes back from it; both travel between processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gaslamp.data.checking import KEPT, Check, Facts, Finding
from gaslamp.data.meaning.readings import Mapping

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Plan:
    """All that a process needs to convert chunks; it can be pickled."""

    format: str
    mapping: Mapping
    kind: str
    method: str
    system: str | None
    system_as_user: bool
    slice: str
    group: str
    split_column: str | None  # every row names its split there
    folder: str  # where relative image paths start
    images: str  # folder that pictures are written to
    speech: dict[str, Any]  # data.speech, for recordings
    checks: dict[str, dict[str, Any]]  # settings as load_checks takes them
    facts: Facts


@dataclass
class Converted:
    """One chunk after conversion; the lists have one entry a row that survived.

    lines      the row as it will stand on disk, with a line end
    digests    16 bytes a row: equal for exact duplicates
    questions  8 bytes a row: equal for rows that ask the same (or share a group)
    splits     1 byte a row: 1 + index in SPLITS, 0 when the row says none
    numbers    of the row in its file
    found      check -> how many findings, and the first of them
    unread     columns that no role uses
    systems    with data.system_as_user: the system prompts, None for a row without; two of them at most
    """

    label: str
    read: int = 0
    lines: list[bytes] = field(default_factory=list)
    digests: bytes = b""
    questions: bytes = b""
    splits: bytes = b""
    numbers: list[int] = field(default_factory=list)
    found: dict[str, tuple[int, list[Finding]]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    systems: set[str | None] = field(default_factory=set)
    error: tuple[str, str, str | None] | None = None

    def report(self, name: str, findings: list[Finding], seen: int) -> None:
        """Add what one check found in ``seen`` rows."""
        count, kept = self.found.get(name, (0, []))
        self.found[name] = (count + len(findings), [*kept, *findings][:KEPT])
        self.seen[name] = seen


def merge(checks: dict[str, Check], result: Converted) -> None:
    """Take up what a chunk's checks found."""
    for name, (count, findings) in result.found.items():
        check = checks[name]
        check.seen += result.seen.get(name, 0)
        check.count += count
        check.findings += findings[: max(0, KEPT - len(check.findings))]
