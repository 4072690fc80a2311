"""Where rows come from.

Files, folders, sets that `datasets` saved, the hub, a query over any of them, embedded sets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data import hub, query
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Options, parse_rows
from gaslamp.data.readers.files import collect, read_chunks
from gaslamp.data.readers.splits import are_obeyed, get_split
from gaslamp.data.readers.unlike import refuse_other_tables
from gaslamp.data.source_names import is_hub_id, split_part

LOOKED_AT = 50  # rows of a preview


class DataSettings(Protocol):
    """The keys of the section ``data`` that say where the rows are."""

    @property
    def source(self) -> str:
        """A file, folder, hub id or embedded:NAME."""
        ...

    @property
    def sql(self) -> str | None:
        """A DuckDB query over the table ``source``."""
        ...

    @property
    def subset(self) -> str | None:
        """Subset of a hub data set."""
        ...

    @property
    def hub_split(self) -> str | None:
        """Split of a hub data set."""
        ...

    @property
    def revision(self) -> str | None:
        """Commit or tag of a hub data set."""
        ...

    @property
    def sheet(self) -> str | None:
        """Sheet of a workbook, or list of a JSON object."""
        ...

    @property
    def header(self) -> bool | None:
        """Whether the first row of a table holds the column names."""
        ...

    @property
    def encoding(self) -> str | None:
        """Encoding of text files."""
        ...

    @property
    def columns(self) -> Mapping[str, Any]:
        """Role -> column or columns, where the config says what they mean."""
        ...


@dataclass
class Source:
    """Rows that can be read as often as wanted.

    Attributes:
        name: as the card records it; a hub id with the commit that was read.
        chunks: starts a new pass over all rows.
        folder: where relative image paths start.
        size: bytes on disk, 0 when unknown; decides whether a second process pays.
        revision: commit of a hub set.
        notes: how the files were understood, one sentence each; complete once all rows were read.
        unfolds: trees of messages become conversations; not where data.columns says what the columns mean.
    """

    name: str
    chunks: Callable[[], Iterator[Chunk]]
    folder: Path = field(default_factory=Path)
    size: int = 0
    revision: str | None = None
    notes: list[str] = field(default_factory=list)
    unfolds: bool = True


def open_source(data: DataSettings) -> Source:
    """What data.source (with sql, subset, hub_split, revision, sheet, header, encoding) means.

    Raises:
        GaslampError: nothing of that name, a file that cannot be read, a hub that does not answer, a query that is
        wrong.
    """
    source = _open(data)
    source.unfolds = not data.columns or "messages" in data.columns.values()
    return source


def _open(data: DataSettings) -> Source:
    if data.source.startswith("embedded:"):
        return _open_embedded(data.source)
    if data.sql:
        connection = query.connect(data.source, data.revision)
        name = f"{data.source} ({' '.join(data.sql.split())})"
        sql = data.sql
        return Source(name, lambda: query.get_chunks(connection, sql), _get_folder(data.source), 0, data.revision)
    if is_hub_id(data.source):
        return _open_hub(data.source.removeprefix("hf://datasets/"), data.subset, data.hub_split, data.revision)
    path, part = split_part(data.source)
    if not path.exists():
        raise GaslampError(
            f"{data.source}: no such file or folder", "correct data.source", "the command was started in another folder"
        )
    if path.is_dir() and ((path / "dataset_dict.json").is_file() or (path / "state.json").is_file()):
        return _wrap(hub.load_saved(path), str(path), path.name, path)
    found = collect(path, part)
    notes: list[str] = []
    options = Options(part or data.sheet, data.header, data.encoding)
    if not data.columns:
        refuse_other_tables(found, options)
    return Source(data.source, lambda: read_chunks(found, options, notes), found.folder, found.size, None, notes)


def open_preview(data: DataSettings) -> Source:
    """A source that is good for its first rows alone: of a hub set only these travel."""
    if data.sql or not is_hub_id(data.source):
        return open_source(data)
    source = data.source.removeprefix("hf://datasets/")
    if hub.find_cached_commit(source, data.revision):  # downloaded before: there may be no network now
        return open_source(data)
    commit = hub.pin_revision(source, data.revision)
    rows = hub.stream_first(source, data.subset, data.hub_split, commit, LOOKED_AT)

    def chunks() -> Iterator[Chunk]:
        yield Chunk(parse_rows, f"{source}, row", 1, list(enumerate(rows(), 1)))

    return Source(f"{source}@{commit}", chunks, revision=commit)


def _get_folder(source: str) -> Path:
    path = Path(source).expanduser()
    return path if path.is_dir() else path.parent if path.exists() else Path()


def _open_embedded(name: str) -> Source:
    module = registry.get("embedded", name.removeprefix("embedded:"))

    def chunks() -> Iterator[Chunk]:
        rows: list[Numbered] = []
        for number, row in enumerate(module.generate(), 1):
            rows.append((number, row))
            if len(rows) == limits.BATCH:
                yield Chunk(parse_rows, f"{name}, row", number, rows)
                rows = []
        yield Chunk(parse_rows, f"{name}, row", 1, rows)

    return Source(name, chunks)


def _open_hub(source: str, subset: str | None, split: str | None, revision: str | None) -> Source:
    commit = hub.pin_revision(source, revision)
    return _wrap(hub.load(source, subset, split, commit), f"{source}@{commit}", source, Path(), commit)


def _wrap(loaded: hub.Loaded, name: str, label: str, folder: Path, revision: str | None = None) -> Source:
    """A Dataset, or a DatasetDict whose splits are obeyed when one is for training and another is not."""
    parts = dict(loaded) if isinstance(loaded, dict) else {"": loaded}
    known = {split: get_split(re.split(r"[-_.]", split)[0]) for split in parts}
    used = {split: known[split] for split in parts if known[split]} or dict.fromkeys(parts)
    obeyed = are_obeyed(list(used.values()))

    def chunks() -> Iterator[Chunk]:
        for split, target in used.items():
            place = f"{label} {split}, row" if split else f"{label}, row"
            yield from hub.get_chunks(parts[split], place, target if obeyed else None)

    notes = (
        [f"{label}: not read, as their names are no splits: {', '.join(left)}"]
        if (left := set(parts) - set(used))
        else []
    )
    return Source(name, chunks, folder, sum(hub.get_size(part) for part in parts.values()), revision, notes)
