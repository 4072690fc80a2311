"""Parquet and Arrow: rows as a person wrote them, without what the table's types add."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Problem, Reading

if TYPE_CHECKING:
    import pyarrow

Clean = Callable[[Any], Any]


def read_parquet(reading: Reading) -> Iterator[Chunk]:
    """The rows of a parquet file. Raises GaslampError when it is empty or damaged."""
    import pyarrow
    import pyarrow.parquet

    file = reading.file
    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            yield from get_arrow_chunks(table.iter_batches(limits.BATCH), f"{reading.name}, row", reading.split)
            rows = table.metadata.num_rows
    except (pyarrow.ArrowException, OSError) as error:
        raise GaslampError(
            f"{reading.title} is not a readable parquet file: {str(error)[:200]}",
            "write it again; it may have been cut off",
        ) from error
    if not rows:
        raise GaslampError(f"{reading.title} is empty", "put rows into it, or set data.source to another file")


def read_arrow(reading: Reading) -> Iterator[Chunk]:
    """The rows of an Arrow file or stream. Raises GaslampError when it is empty or damaged."""
    import pyarrow

    file = reading.file

    def batches() -> Iterator[pyarrow.RecordBatch]:
        with pyarrow.memory_map(str(file)) as memory:
            if memory.read(6) == b"ARROW1":
                table = pyarrow.ipc.open_file(memory)
                yield from (table.get_batch(number) for number in range(table.num_record_batches))
            else:  # the stream that `datasets` writes
                memory.seek(0)
                yield from pyarrow.ipc.open_stream(memory)

    empty = True
    try:
        for chunk in get_arrow_chunks(batches(), f"{reading.name}, row", reading.split):
            empty = False
            yield chunk
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise GaslampError(
            f"{reading.title} is not a readable Arrow file: {str(error)[:200]}",
            "write it again; it may have been cut off",
        ) from error
    if empty:
        raise GaslampError(f"{reading.title} is empty", "put rows into it, or set data.source to another file")


def get_arrow_chunks(batches: Iterable[pyarrow.RecordBatch], label: str, split: str | None = None) -> Iterator[Chunk]:
    """Chunks of at most limits.BATCH rows from pyarrow record batches."""
    number = 1
    for batch in batches:
        for start in range(0, batch.num_rows, limits.BATCH):
            part = batch.slice(start, limits.BATCH)
            yield Chunk(parse_arrow, label, number, part, split)
            number += part.num_rows


def parse_arrow(chunk: Chunk, problems: list[Problem]) -> Iterator[Numbered]:
    """The rows of a record batch."""
    try:
        rows = chunk.payload.to_pylist()
    except (ValueError, OverflowError) as error:  # bytes that are no UTF-8 in a text column
        problems.append(
            (
                f"{chunk.label} {chunk.first}",
                f"these {chunk.payload.num_rows} rows cannot be decoded: {str(error)[:120]}",
                "",
            )
        )
        return iter(())
    for column in chunk.payload.schema:
        clean = get_cleaner(column.type)
        if clean:
            for row in rows:
                row[column.name] = clean(row[column.name])
    if names := get_class_names(chunk.payload.schema):
        for row in rows:
            name_classes(row, names)
    return enumerate(rows, chunk.first)


def get_class_names(schema: pyarrow.Schema) -> dict[str, list[str]]:
    """Column -> names of its classes, as `datasets` writes them into the metadata: people and models read names."""
    written = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(written)["info"]["features"] if written else {}
    except (ValueError, KeyError, TypeError):
        return {}
    return {
        column: feature["names"]
        for column, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
    }


def name_classes(row: JsonObject, names: dict[str, list[str]]) -> None:
    """Put the names of classes in place of their numbers."""
    for column, classes in names.items():
        value = row.get(column)
        if isinstance(value, int) and 0 <= value < len(classes):
            row[column] = classes[value]


def get_cleaner(kind: pyarrow.DataType) -> Clean | None:
    """What makes a value of an Arrow type the value that was meant; ``None`` when it is that already.

    A struct has every key in every row: a key without a value is left out again. Decimals and dates become their
    text; a short float is written with its own digits, not with those of the nearest double.
    """
    import pyarrow.types as types

    if types.is_struct(kind):
        cleaners = {kind[at].name: get_cleaner(kind[at].type) for at in range(kind.num_fields)}
        return lambda value: _clean_struct(value, cleaners)
    if types.is_map(kind):
        inner = get_cleaner(kind.item_type)
        return lambda value: value and {str(key): inner(item) if inner else item for key, item in value}
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        clean = get_cleaner(kind.value_type)
        return (lambda value: value and [clean(item) for item in value]) if clean else None
    if any(is_kind(kind) for is_kind in (types.is_decimal, types.is_temporal)):
        return lambda value: None if value is None else str(value)
    if types.is_float16(kind) or types.is_float32(kind):
        import numpy

        return lambda value: None if value is None else float(str(numpy.float32(value)))
    return None


def _clean_struct(value: Any, cleaners: dict[str, Clean | None]) -> Any:
    if value is None:
        return None
    cleaned = {}
    for key, item in value.items():
        if item is not None:
            clean = cleaners[key]
            cleaned[key] = clean(item) if clean else item
    return cleaned
