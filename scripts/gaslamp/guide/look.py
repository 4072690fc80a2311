"""A bounded look at the data: its first rows, what they mean, how long they are, and in which language."""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.glance import Glance
from gaslamp.data.meaning import LOOKED_AT, Meaning, Reading, decide
from gaslamp.data.readers.chunks import Problem
from gaslamp.data.readers.files import find_files
from gaslamp.data.rows import LeftOut, Row, SourceRow, get_kind, get_prompt, get_reference, get_text
from gaslamp.data.sample import explain_no_rows, read_sample
from gaslamp.data.sources import open_preview, open_source
from gaslamp.guide.answers import DataAnswer
from gaslamp.guide.language import detect

EMBEDDED_ROWS = 60
LARGEST_JSON = 200_000_000  # bytes; such a file is read as a whole, which takes too long at a question
LETTERS_PER_TOKEN = 3.6  # of text in Latin letters, by the tokenizers of current models; about 1.5 in Chinese
TEMPLATE_TOKENS = 12  # of a chat template around each turn


@dataclass
class Look:
    """What the first rows of the data say.

    Attributes:
        rows: the sample, as the file has it.
        meaning: of its columns; None when they are not known.
        unknown: why they are not known; empty when they are.
        count: rows of the whole data, None when unknown; exact when the sample holds them all.
        is_exact: whether ``count`` is exact.
        language: of the answers, else of all the text; empty when it is not clear.
        seen: a reading -> how the data phase will see the first rows by it.
    """

    rows: list[SourceRow] = field(default_factory=list)
    meaning: Meaning | None = None
    unknown: str = ""
    rows_kind: str = ""  # where it is known without a meaning: of an embedded set
    count: int | None = None
    is_exact: bool = False
    language: str = ""
    seen: dict[str, Glance | None] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """The columns of the first row."""
        return list(self.rows[0]) if self.rows else []


def look_at_data(data: DataAnswer) -> Look:
    """Look at the first rows; what cannot be read here is unknown, with the reason: ``make data`` says more.

    Args:
        data: an answer that check_data has passed.
    """
    try:
        look = _read(data)
    except Exception as error:  # of any library that reads a file, or asks the hub without a network
        return Look(unknown=_explain(error, data))
    if not look.rows:
        look.unknown = look.unknown or "no row could be read"
        return look
    try:
        look.meaning = decide(look.rows)
    except GaslampError as error:
        look.unknown = error.cause.splitlines()[0]
    look.language = _detect(look)
    return look


def _explain(error: Exception, data: DataAnswer) -> str:
    """Why the data could not be looked at, in a line."""
    if isinstance(error, ImportError) and error.name:
        return f"{error.name} is not installed here"
    if isinstance(error, GaslampError):
        return error.cause.splitlines()[0]
    said = (str(error).strip().splitlines() or [""])[0][:300]
    if data.kind == "hub":
        return f"the hub did not give {data.place} ({type(error).__name__}: {said}): check the network, or give a file"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _read(data: DataAnswer) -> Look:
    if data.kind == "none":
        return Look(unknown="there is no data yet")
    if data.kind == "embedded":
        return _read_embedded(data.place)
    if data.kind == "hub":
        return _read_hub(data.place)
    path = Path(data.place)
    if path.suffix.lower() == ".json" and path.stat().st_size > LARGEST_JSON:
        return Look(unknown="the file is too large to be looked at here")
    source = open_source(get_settings(str(path)))
    problems: list[Problem] = []
    try:
        rows = read_sample(source, problems, LOOKED_AT)
    except ModuleNotFoundError as error:
        if error.name != "orjson":
            raise
        rows = _read_json(path)
    if not rows:
        return Look(unknown=f"no row could be read ({explain_no_rows(source, problems)})", count=0, is_exact=True)
    if len(rows) < LOOKED_AT:
        return Look(rows, count=len(rows), is_exact=True)
    return Look(rows, count=_estimate_count(path, rows))


def _read_embedded(name: str) -> Look:
    module = registry.get("embedded", name)
    if module.ROWS == "images":  # drawing them needs packages that may be missing
        return Look(unknown="its pictures are drawn when it is used", rows_kind="images")
    return Look(list(islice(module.generate(), EMBEDDED_ROWS)), rows_kind=module.ROWS)


def _read_hub(name: str) -> Look:
    if importlib.util.find_spec("datasets") is None:
        return Look(unknown="it is downloaded when the data is prepared")
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() in ("1", "true", "yes", "on"):
        return Look(unknown="the hub is switched off here (HF_HUB_OFFLINE)")
    return Look(read_sample(open_preview(get_settings(name)), [], LOOKED_AT))


def get_settings(source: str) -> SimpleNamespace:
    """The keys of section ``data`` that say where rows are, with their defaults."""
    keys = dict.fromkeys(("sql", "subset", "hub_split", "revision", "sheet", "header", "encoding"))
    return SimpleNamespace(source=source, columns={}, **keys)


def _read_json(path: Path) -> list[SourceRow]:
    """The first rows of JSON and JSON lines where orjson, which the readers take, is not installed."""
    rows: list[SourceRow] = []
    for file in find_files(path):
        if file.suffix.lower() == ".json":
            values = json.loads(file.read_text(encoding="utf-8-sig"))
            values = values if isinstance(values, list) else next(iter(values.values()))
        else:
            with file.open(encoding="utf-8-sig") as handle:
                values = [json.loads(line) for line in islice(handle, LOOKED_AT) if line.strip()]
        rows += [value for value in values[:LOOKED_AT] if isinstance(value, dict)]
        if len(rows) >= LOOKED_AT:
            break
    return rows[:LOOKED_AT]


def _estimate_count(path: Path, rows: list[SourceRow]) -> int | None:
    """About how many rows a text file has, by the bytes of the sample; None for other kinds and folders."""
    if not path.is_file() or path.suffix.lower() not in (".jsonl", ".ndjson", ".json", ".csv", ".tsv"):
        return None
    is_table = path.suffix.lower() in (".csv", ".tsv")
    written = sum(
        len((",".join(map(str, row.values())) if is_table else json.dumps(row, ensure_ascii=False)).encode()) + 1
        for row in rows
    )
    return max(len(rows), round(path.stat().st_size * len(rows) / written))


def convert(look: Look, reading: Reading) -> list[Row]:
    """The sample as rows of the kind that ``reading`` gives; rows that cannot be read so are left out."""
    plugin = registry.get("formats", reading.format)
    result: list[Row] = []
    for row in look.rows:
        try:
            result.append(plugin.convert(row, reading.mapping))
        except (ValueError, KeyError, TypeError, AttributeError, LeftOut):
            continue  # the data phase names every such row
    return result


def count_tokens(text: str) -> float:
    """About how many tokens a text has: no tokenizer is installed here."""
    wide = sum(char >= "\u2e80" for char in text)
    return (len(text) - wide) / LETTERS_PER_TOKEN + wide / 1.5


def get_lengths(rows: list[Row]) -> list[int]:
    """About how many tokens each row has, shortest first."""
    return sorted(round(sum(count_tokens(text) + TEMPLATE_TOKENS for text in get_texts(row))) for row in rows)


def get_texts(row: Row) -> list[str]:
    """The texts of a row that are read or written; of a preference the longer answer only."""
    kind = get_kind(row)
    if kind in ("conversation", "prompt", "rating", "preference"):
        turns = [get_text(message) for message in row.get("messages") or get_prompt(row)]
        answers = [" ".join(map(get_text, row[key])) for key in ("chosen", "rejected", "completion") if key in row]
        return [*turns, *([max(answers, key=len)] if answers else [])]
    return [str(row[key]) for key in ("text", "anchor", "transcript") if key in row]


def _detect(look: Look) -> str:
    """The language of the answers, else of everything that is text."""
    if look.meaning is None:
        return detect(str(value) for row in look.rows for value in row.values() if isinstance(value, str))
    rows = convert(look, look.meaning.reading)
    answers = [answer for row in rows if (answer := get_reference(row)) and " " in answer]
    return detect(answers) or detect(text for row in rows for text in get_texts(row))
