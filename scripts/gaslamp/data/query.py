"""``data.sql``: a DuckDB query over the files or the hub set of data.source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk
from gaslamp.data.readers.columnar import get_arrow_chunks
from gaslamp.data.readers.files import find_files
from gaslamp.data.readers.kinds import get_suffix
from gaslamp.data.rows import SourceRow
from gaslamp.data.source_names import is_hub_id

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection as Connection


def connect(source: str, revision: str | None = None) -> Connection:
    """A DuckDB connection with data.source as the view ``source``: nothing is read before a query needs it.

    Hub files are reached through huggingface_hub's file system, so that only the columns and row groups of a query
    travel. A query is foreign text, from a config that somebody sent: it reads the source and nothing else, writes no
    file, and neither installs nor loads an extension.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = false")
    named = source
    if is_hub_id(source) and not source.startswith("hf://"):
        source = f"hf://datasets/{source}{'@' + revision if revision else ''}/**/*.parquet"
    if source.startswith("hf://"):
        from huggingface_hub import HfFileSystem

        connection.register_filesystem(HfFileSystem())
        files, suffix = [source], get_suffix(Path(source)) or ".parquet"
    else:
        path = Path(source).expanduser()
        if not path.exists():
            raise GaslampError(f"{named}: no such file or folder", "correct data.source")
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
    options = ", maximum_object_size = 67108864" if function == "read_json" else ""
    try:
        connection.execute(f"CREATE VIEW source AS SELECT * FROM {function}([{_list_texts(files)}]{options})")
    except (duckdb.Error, OSError) as error:
        raise GaslampError(
            f"{named} cannot be read by DuckDB: {_get_first_lines(error)}",
            "fix the file, or leave data.sql out",
        ) from error
    _close(connection, None if source.startswith("hf://") else files)
    return connection


def _close(connection: Connection, files: list[str] | None) -> None:
    """Leave a connection ``files``, or with None the registered file system of the hub, and no way back."""
    for extensions in ("autoinstall_known_extensions", "autoload_known_extensions"):
        connection.execute(f"SET {extensions} = false")
    if files is None:
        connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
    else:
        connection.execute(f"SET allowed_paths = [{_list_texts(files)}]")
        connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _list_texts(texts: list[str]) -> str:
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)


def _get_first_lines(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())[:300]


def get_chunks(connection: Connection, sql: str) -> Iterator[Chunk]:
    """The rows of a query, as they are computed."""
    yield from get_arrow_chunks(_run(connection, sql), "query, row")


def _run(connection: Connection, sql: str) -> Iterator[pyarrow.RecordBatch]:
    """Record batches of a query. Raises GaslampError with DuckDB's own hint."""
    import duckdb

    try:
        kinds = [statement.type for statement in duckdb.extract_statements(sql)]
        if len(kinds) != 1 or kinds[0] not in (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI):
            found = ", ".join(kind.name for kind in kinds) or "nothing"
            raise GaslampError(
                f"data.sql is one query, and this is {found}", "write one SELECT ... FROM source (a PIVOT is one too)"
            )
        result = connection.cursor().sql(sql)
        if result is None:  # a statement that is no query
            raise GaslampError("data.sql returns no rows", "write a SELECT ... FROM source")
        yield from result.to_arrow_reader(limits.BATCH)
    except (duckdb.Error, OSError) as error:
        columns = ", ".join(name for name, _ in describe(connection))
        raise GaslampError(
            f"data.sql: {_get_first_lines(error)}",
            f"correct the query; the table is called source, its columns are: {columns}",
        ) from error


def describe(connection: Connection) -> list[tuple[str, str]]:
    """Names and types of the columns of ``source``."""
    return [(row[0], row[1]) for row in connection.cursor().execute("DESCRIBE source").fetchall()]


def sample(connection: Connection, rows: int = 2) -> list[SourceRow]:
    """The first rows of ``source``."""
    result = connection.cursor().sql(f"SELECT * FROM source LIMIT {int(rows)}")
    return [row for batch in result.to_arrow_reader(limits.BATCH) for row in batch.to_pylist()]
