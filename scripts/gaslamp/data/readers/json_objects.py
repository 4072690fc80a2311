"""One JSON object that holds all rows: wrapped lists, splits, columns, and what ``DataFrame.to_json`` writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject
from gaslamp.data.readers.chunks import Chunk, Reading
from gaslamp.data.readers.json_keyed import get_classes, get_messages, get_pairs, get_utterances
from gaslamp.data.readers.json_values import chunk_items, get_decoder, read_stream
from gaslamp.data.readers.opening import open_text
from gaslamp.data.readers.splits import get_split

Row = dict[str, Any]
ROW_KEYS = ("messages", "conversations", "conversation", "prompt", "chosen", "contents", "segments", "text")
"""An object with one of these keys and others is a row, though it holds a list."""

MANY = 10
"""So many keys with a text each are rows."""


@dataclass(frozen=True)
class Rows:
    """Items that were found in an object; ``how`` describes it where that is not obvious."""

    items: list[Any]
    how: str = ""


def read_object(reading: Reading) -> Iterator[Chunk]:
    """The rows of one JSON object (or text, or number).

    Raises:
        GaslampError: no valid JSON; several lists of rows and no word which is meant.
    """
    with open_text(reading) as handle:
        text = handle.read()
    try:
        value = get_decoder(reading).decode(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text.lstrip().startswith("{"):
            yield from read_stream(reading)
            return
        raise GaslampError(
            f"{reading.title}, line {error.lineno}: not valid JSON ({error.msg})",
            "fix that line, or save one object a line as .jsonl",
        ) from error
    except (ValueError, RecursionError) as error:
        raise GaslampError(
            f"{reading.title}: not valid JSON ({error or 'nested too deeply'})",
            "fix it, or save one object a line as .jsonl",
        ) from error
    del text
    yield from read_value(value, reading)


def read_value(value: object, reading: Reading) -> Iterator[Chunk]:
    """The rows of one value of a file that is no list.

    Args:
        value: parsed.
        reading: the file; takes the notes.

    Raises:
        GaslampError: several of its lists may be the rows.
    """
    if not isinstance(value, dict):
        yield from chunk_items(iter([value]), reading)
        return
    if pairs := get_pairs(value):
        reading.note(f"its keys {', '.join(value)} are read as splits, their pairs as text and label")
        first = 1
        for named, items in pairs:
            yield from chunk_items(iter(items), reading, named, first)
            first += len(items)
        return
    parts = get_splits(value)
    if parts:
        reading.note(f"its keys {', '.join(value)} are read as splits")
        first = 1
        for split, part in parts:
            rows: list[Any] = get_rows(part, reading).items if isinstance(part, dict) else list(part)
            yield from chunk_items(iter(rows), reading, split, first)
            first += len(rows)
        return
    found = get_rows(value, reading)
    if nested := flatten_paragraphs(found.items):
        found = Rows(nested, "its paragraphs are read as SQuAD: a row for each question")
    if found.how:
        reading.note(found.how)
    yield from chunk_items(iter(found.items), reading)


def get_splits(value: Row) -> list[tuple[str, Any]] | None:
    """The parts of ``{"train": [...], "test": [...]}``; ``None`` when the object is none of that kind."""
    names = [get_split(key) for key in value]
    if not all(names) or "train" not in names or not all(_is_part(part) for part in value.values()):
        return None
    return [(str(name), part) for name, part in zip(names, value.values(), strict=True)]


def _is_part(part: object) -> bool:
    return (isinstance(part, list) and all(isinstance(item, dict) for item in part[:20])) or (
        isinstance(part, dict) and bool(part) and all(isinstance(item, list | dict) for item in part.values())
    )


def get_rows(value: Row, reading: Reading) -> Rows:
    """The rows that one object holds, or the object itself as the only row.

    Raises:
        GaslampError: several of its lists may be the rows.
    """
    chosen = reading.options.sheet
    if chosen is not None and isinstance(value.get(chosen), list):
        return Rows(value[chosen], f"the rows are its list '{chosen}'")
    if is_split_orient(value):
        rows = [dict(zip(value["columns"], cells, strict=True)) for cells in value["data"]]
        return Rows(rows, "read as columns and data, as DataFrame.to_json(orient='split') writes them")
    if isinstance(value.get("schema"), dict) and isinstance(value.get("data"), list):  # orient='table'
        keys = {key for key in value["schema"].get("primaryKey", ()) if key == "index"}
        return Rows([_without(row, keys) for row in value["data"]], "read as DataFrame.to_json(orient='table')")
    listed = value.get("rows")
    if (
        isinstance(listed, list)
        and listed
        and all(isinstance(row, dict) and isinstance(row.get("row"), dict) for row in listed)
    ):
        return Rows([row["row"] for row in listed], "the rows are its list 'rows', as the hub's viewer writes them")
    by_key = _get_keyed_rows(value)
    if by_key:
        return by_key
    if named := get_utterances(value) or get_classes(value) or get_messages(value, reading.title):
        return Rows(*named)
    if by_text := _get_texts_by_key(value):
        return by_text
    lists = {key: items for key, items in value.items() if isinstance(items, list)}
    if len(lists) > 1 and len(lists) == len(value):
        sizes = {len(items) for items in lists.values()}
        if len(sizes) == 1 and sizes != {0} and not any(map(_holds_objects, lists.values())):
            names = list(lists)
            columns = zip(*lists.values(), strict=True)
            return Rows([dict(zip(names, cells, strict=True)) for cells in columns], "each key is read as a column")
    wrapped = {key: items for key, items in lists.items() if not items or _holds_objects(items)}
    if _is_row(value) or not wrapped or (len(lists) == 1 and len(wrapped) != 1):
        return Rows(_get_single(value, lists))
    filled = {key: items for key, items in wrapped.items() if items} or wrapped
    if len(filled) > 1:
        described = "; ".join(f"'{key}' ({len(items)} rows: {_list_columns(items)})" for key, items in filled.items())
        most = max(filled, key=lambda key: (len(filled[key]), len(_list_columns(filled[key]))))
        raise GaslampError(
            f"{reading.title} holds several lists of rows: {described}",
            f"say which is meant: data.sheet: {json.dumps(most)}",
            "they belong together: join them to one list",
        )
    return Rows(next(iter(filled.values())))


def flatten_paragraphs(items: list[JsonObject]) -> list[Row]:
    """A row for each question of SQuAD's articles {title, paragraphs: [{context, qas}]}; empty when they are none."""
    if not items or not all(isinstance(item, dict) and isinstance(item.get("paragraphs"), list) for item in items):
        return []
    rows = []
    for article in items:
        for paragraph in article["paragraphs"]:
            if not isinstance(paragraph, dict) or not isinstance(paragraph.get("qas"), list):
                return []
            shared = {**_without(article, {"paragraphs"}), **_without(paragraph, {"qas"})}
            rows += [{**shared, **join_answers(question)} for question in paragraph["qas"]]
    return rows


def join_answers(question: Row) -> Row:
    """A question with its answers as the hub's sets hold them: {"text": [...], "answer_start": [...]}."""
    answers = question.get("answers")
    if not isinstance(answers, list) or not all(isinstance(answer, dict) and "text" in answer for answer in answers):
        return question
    texts = [answer["text"] for answer in answers]
    return {**question, "answers": {"text": texts, "answer_start": [answer.get("answer_start") for answer in answers]}}


def is_split_orient(value: Row) -> bool:
    """Whether an object is ``{"columns": [names], "data": [[cells]]}``."""
    names, data = value.get("columns"), value.get("data")
    return (
        isinstance(names, list)
        and isinstance(data, list)
        and all(isinstance(name, str) for name in names)
        and all(isinstance(cells, list) and len(cells) == len(names) for cells in data)
    )


def holds_rows(value: Row) -> bool:
    """Whether an object is a wrapper around rows, not a row itself."""
    lists = [items for items in value.values() if isinstance(items, list)]
    return (
        is_split_orient(value)
        or bool(_get_keyed_rows(value))
        or (not _is_row(value) and any(map(_holds_objects, lists)))
    )


def _get_keyed_rows(value: Row) -> Rows | None:
    """``{"prompt": {"0": ..}, "completion".

    {"0": ..}}`` (columns) or ``{"0": {"prompt": ..}, ..}`` (rows by their key).
    """
    inner = list(value.values())
    if not inner or not all(isinstance(part, dict) and part for part in inner):
        return None
    keys = list(inner[0])
    same = all(part.keys() == inner[0].keys() for part in inner)
    if same and (all(_is_number(key) for key in keys) or (len(keys) > len(value) and not all(map(_is_number, value)))):
        rows = [{name: value[name][key] for name in value} for key in keys]
        return Rows(rows, "each key is read as a column, as DataFrame.to_json() writes them")
    if all(_is_number(key) for key in value) or (len(value) >= 3 and same and len(value) > len(keys)):
        return Rows(inner, "each key is read as a row, as DataFrame.to_json(orient='index') writes them")
    return None


def _get_texts_by_key(value: Row) -> Rows | None:
    """``{"Where is ...?": "Left", ...}``: many keys with a text each are rows, and no row of so many columns."""
    if len(value) < MANY or not all(isinstance(text, str) and text for text in value.values()):
        return None
    is_question = 2 * sum(" " in key.strip() for key in value) > len(value)
    names = ("question", "answer") if is_question else ("key", "text")
    how = f"each of its {len(value)} keys is read as a {names[0]}, its value as the {names[1]}"
    return Rows([dict(zip(names, pair, strict=True)) for pair in value.items()], how)


def _is_number(key: str) -> bool:
    return key.lstrip("-").isdigit()


def _without(row: Row, keys: set[str]) -> Row:
    return {key: item for key, item in row.items() if key not in keys} if isinstance(row, dict) else row


def _holds_objects(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, dict) for item in items[:20])


def _get_single(value: Row, lists: dict[str, list[Any]]) -> list[Any]:
    """The object as the only row; a single list of lists under a row's key is a column of such values."""
    if len(value) == 1 and len(lists) == 1:
        (name, items), *_ = lists.items()
        if items and all(isinstance(item, list) for item in items):
            return [{name: item} for item in items]
        if len(items) > 1 and all(isinstance(item, str) for item in items):
            return [{name: item} for item in items]
    return [value]


def _is_row(value: Row) -> bool:
    """Whether an object with lists is a row (a conversation with its turns) and no wrapper around rows."""
    return any(key in value for key in ROW_KEYS)


def _list_columns(items: list[Any]) -> str:
    return ", ".join(dict.fromkeys(key for item in items[:20] if isinstance(item, dict) for key in item))[:100]
