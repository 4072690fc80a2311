"""Where rows come from: files, folders, sets that `datasets` saved, the hub, a query over any of them, embedded sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import BATCH, SPLIT_NAMES, Chunk, find_files, get_arrow_chunks, get_suffix, read_chunks

LOOKED_AT = 50  # rows of a preview
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


@dataclass
class Source:
    """Rows that can be read as often as wanted.

    Attributes:
        name: as the card records it; a hub id with the commit that was read.
        chunks: starts a new pass over all rows.
        folder: where relative image paths start.
        size: bytes on disk, 0 when unknown; decides whether a second process pays.
        revision: commit of a hub set.
    """

    name: str
    chunks: Callable[[], Iterator[Chunk]]
    folder: Path = field(default_factory=Path)
    size: int = 0
    revision: str | None = None


def is_hub_id(source: str) -> bool:
    """Whether ``data.source`` names a set on the hub: written like org/name, and nothing here is called so."""
    return (
        bool(HUB_ID.fullmatch(source)) and "/" in source and not Path(source).exists() and not get_suffix(Path(source))
    )


def open_source(data: Any) -> Source:
    """What data.source (with sql, subset, hub_split, revision) means.

    Raises:
        GaslampError: nothing of that name, a file that cannot be read, a hub that does not answer, a query that is wrong.
    """
    if data.source.startswith("embedded:"):
        return _open_embedded(data.source)
    if data.sql:
        return _open_query(data)
    if is_hub_id(data.source) or data.source.startswith("hf://datasets/"):
        return _open_hub(data.source.removeprefix("hf://datasets/"), data.subset, data.hub_split, data.revision)
    path = Path(data.source).expanduser()
    if not path.exists():
        raise GaslampError(
            f"{data.source}: no such file or folder", "correct data.source", "the command was started in another folder"
        )
    if path.is_dir() and ((path / "dataset_dict.json").is_file() or (path / "state.json").is_file()):
        return _open_saved(path)
    files = find_files(path)
    folder = path if path.is_dir() else path.parent
    return Source(data.source, lambda: read_chunks(path), folder, sum(file.stat().st_size for file in files))


def _open_embedded(name: str) -> Source:
    module = registry.get("embedded", name.removeprefix("embedded:"))

    def chunks() -> Iterator[Chunk]:
        rows: list[tuple[int, dict[str, Any]]] = []
        for number, row in enumerate(module.generate(), 1):
            rows.append((number, row))
            if len(rows) == BATCH:
                yield Chunk("rows", f"{name}, row", number, rows)
                rows = []
        yield Chunk("rows", f"{name}, row", 1, rows)

    return Source(name, chunks)


# ------------------------------------------------------------------------------------------------------------ datasets and hub


def _open_saved(path: Path) -> Source:
    """A folder that ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk`` wrote."""
    import datasets

    try:
        loaded = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GaslampError(
            f"{path} is not a readable saved data set: {str(error)[:300]}", "save it again with save_to_disk"
        ) from error
    return _wrap(loaded, str(path), path.name, path)


def _wrap(loaded: Any, name: str, label: str, folder: Path, revision: str | None = None) -> Source:
    """A Dataset, or a DatasetDict whose splits are obeyed when it has both training and test rows."""
    parts = dict(loaded) if isinstance(loaded, dict) else {"": loaded}
    known = {split: SPLIT_NAMES.get(re.split(r"[-_.]", split.lower())[0]) for split in parts}
    used = {split: known[split] for split in parts if known[split]} or dict.fromkeys(parts)
    obeyed = {"train", "test"} <= set(used.values())

    def chunks() -> Iterator[Chunk]:
        for split, target in used.items():
            part = parts[split]
            names = _get_label_names(part.features)
            place = f"{label} {split}, row" if split else f"{label}, row"
            tables = part.with_format("arrow").iter(BATCH)
            for chunk in get_arrow_chunks(
                (batch for table in tables for batch in table.to_batches()), place, target if obeyed else None
            ):
                yield _name_labels(chunk, names) if names else chunk

    return Source(name, chunks, folder, sum(part.data.nbytes for part in parts.values()), revision)


def _get_label_names(features: Any) -> dict[str, list[str]]:
    """Columns of class numbers with the name of each class: people and models read names."""
    return {name: list(feature.names) for name, feature in features.items() if type(feature).__name__ == "ClassLabel"}


def _name_labels(chunk: Chunk, names: dict[str, list[str]]) -> Chunk:
    rows = chunk.payload.to_pylist()
    for row in rows:
        for column, classes in names.items():
            number = row.get(column)
            if isinstance(number, int) and 0 <= number < len(classes):
                row[column] = classes[number]
    return Chunk("rows", chunk.label, chunk.first, list(enumerate(rows, chunk.first)), chunk.split)


def _open_hub(source: str, subset: str | None, split: str | None, revision: str | None) -> Source:
    commit = pin_revision(source, revision)
    loaded = load_hub(source, subset, split, commit)
    return _wrap(loaded, f"{source}@{commit}", source, Path(), commit)


def open_preview(data: Any) -> Source:
    """A source that is good for its first rows alone: of a hub set only these travel."""
    if data.sql or not (is_hub_id(data.source) or data.source.startswith("hf://datasets/")):
        return open_source(data)
    source = data.source.removeprefix("hf://datasets/")
    if _find_cached_commit(source, data.revision):  # downloaded before: there may be no network now
        return open_source(data)
    commit = pin_revision(source, data.revision)
    split = re.split(r"[\[+]", data.hub_split)[0] if data.hub_split else None  # a slice cannot be streamed
    loaded = load_hub(source, data.subset, split, commit, streaming=True)
    part = next(iter(loaded.values())) if isinstance(loaded, dict) else loaded

    def chunks() -> Iterator[Chunk]:
        yield Chunk("rows", f"{source}, row", 1, list(enumerate(part.take(LOOKED_AT), 1)))

    return Source(f"{source}@{commit}", chunks, revision=commit)


def pin_revision(source: str, revision: str | None) -> str:
    """The commit of a hub data set that ``revision`` (a branch, tag or commit; None: main) names now."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return str(HfApi().dataset_info(source, revision=revision).sha)
    except RevisionNotFoundError as error:
        raise GaslampError(
            f"the data set {source} has no revision '{revision}'", "correct data.revision: a branch, a tag or a commit"
        ) from error
    except (GatedRepoError, RepositoryNotFoundError) as error:
        raise GaslampError(
            f"the hub has no data set '{source}' that you may read",
            "correct data.source; for a gated or private one: hf auth login, and accept its terms on its page",
            f"it is a file or folder: '{source}' is not here",
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        cached = _find_cached_commit(source, revision)
        if cached:
            return cached
        raise GaslampError(
            f"cannot ask the hub about the data set {source}: {str(error)[:200]}",
            "connect to the network, or download it elsewhere and set data.source to the folder",
            f"it is a file or folder: '{source}' is not here",
        ) from error


def _find_cached_commit(source: str, revision: str | None) -> str | None:
    """The commit of an earlier download, for work without a network."""
    from huggingface_hub.constants import HF_HUB_CACHE

    repo = Path(HF_HUB_CACHE) / f"datasets--{source.replace('/', '--')}"
    ref = repo / "refs" / (revision or "main")
    commit = ref.read_text(encoding="utf-8").strip() if ref.is_file() else revision or ""
    return commit if commit and (repo / "snapshots" / commit).is_dir() else None


def load_hub(source: str, subset: str | None, split: str | None, revision: str | None, streaming: bool = False) -> Any:
    """``datasets.load_dataset`` with its errors in our words; ``source`` may also be a local folder of the same shape."""
    import datasets

    try:
        return datasets.load_dataset(source, subset, split=split, revision=revision, streaming=streaming)
    except ValueError as error:
        text = str(error)
        if "Config name is missing" in text or "BuilderConfig" in text:
            found = re.search(r"\[[^\]]*\]", text)
            raise GaslampError(
                f"{source} has several subsets: {found[0] if found else text[:300]}", "set data.subset to one of them"
            ) from error
        if "Unknown split" in text or "Bad split" in text:
            raise GaslampError(f"{source}: {text[:300]}", "correct data.hub_split") from error
        raise GaslampError(
            f"{source} cannot be loaded: {text[:300]}",
            "look at its page on the hub; data.sql can read single files of it",
        ) from error
    except (OSError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise GaslampError(
            f"{source} cannot be loaded: {str(error)[:300]}", "connect to the network and try again"
        ) from error


# ------------------------------------------------------------------------------------------------------------ SQL


def connect(data: Any) -> Any:
    """A DuckDB connection with data.source as the view ``source``: nothing is read before a query asks for it.

    Hub files are reached through huggingface_hub's file system, so that only the columns and row groups of a query travel.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    source = str(data.source)
    if is_hub_id(source):
        source = f"hf://datasets/{source}{'@' + data.revision if data.revision else ''}/**/*.parquet"
    if source.startswith("hf://"):
        from huggingface_hub import HfFileSystem

        connection.register_filesystem(HfFileSystem())
        files, suffix = [source], get_suffix(Path(source)) or ".parquet"
    else:
        path = Path(source).expanduser()
        if not path.exists():
            raise GaslampError(f"{data.source}: no such file or folder", "correct data.source")
        found = find_files(path)
        suffix = get_suffix(found[0])
        files = [str(file) for file in found if get_suffix(file) == suffix]
    function = {
        ".parquet": "read_parquet",
        ".csv": "read_csv",
        ".tsv": "read_csv",
        ".json": "read_json",
        ".jsonl": "read_json",
        ".ndjson": "read_json",
    }.get(suffix)
    if function is None:
        raise GaslampError(
            f"data.sql cannot read files that end in '{suffix}'", "take .parquet, .csv, .tsv, .json or .jsonl"
        )
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    options = ", maximum_object_size = 67108864" if function == "read_json" else ""
    try:
        connection.execute(f"CREATE VIEW source AS SELECT * FROM {function}([{listed}]{options})")
    except (duckdb.Error, OSError) as error:
        raise GaslampError(
            f"{data.source} cannot be read by DuckDB: {_get_first_lines(error)}",
            "mend the file, or leave data.sql away",
        ) from error
    return connection


def _get_first_lines(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())[:300]


def _open_query(data: Any) -> Source:
    connection = connect(data)

    def chunks() -> Iterator[Chunk]:
        yield from get_arrow_chunks(query(connection, data.sql), "query, row")

    return Source(f"{data.source} ({' '.join(data.sql.split())})", chunks, _get_folder(data.source), 0, data.revision)


def _get_folder(source: str) -> Path:
    path = Path(source).expanduser()
    return path if path.is_dir() else path.parent if path.exists() else Path()


def query(connection: Any, sql: str) -> Iterator[Any]:
    """Record batches of a query, as they are computed. Raises GaslampError with DuckDB's own hint."""
    import duckdb

    try:
        result = connection.cursor().execute(sql)
        if result.description is None:
            raise GaslampError("data.sql returns no rows", "write a SELECT ... FROM source")
        yield from result.to_arrow_reader(BATCH)
    except (duckdb.Error, OSError) as error:
        columns = ", ".join(name for name, _ in describe(connection))
        raise GaslampError(
            f"data.sql: {_get_first_lines(error)}",
            f"correct the query; the table is called source, its columns are: {columns}",
        ) from error


def describe(connection: Any) -> list[tuple[str, str]]:
    """Names and types of the columns of ``source``."""
    return [(row[0], row[1]) for row in connection.cursor().execute("DESCRIBE source").fetchall()]


def sample(connection: Any, rows: int = 2) -> list[dict[str, Any]]:
    """The first rows of ``source``."""
    result = connection.cursor().execute(f"SELECT * FROM source LIMIT {int(rows)}")
    return [row for batch in result.to_arrow_reader(BATCH) for row in batch.to_pylist()]
