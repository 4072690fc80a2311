"""Rows that are added to those of data.source, through the same conversion, checks and split.

Rows written by hand (``make label``) win over the row that they correct; generated ones (``data.generate``) are for
training alone, where the source is the person's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from gaslamp.config.sections.data import Data
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl
from gaslamp.data.conversion import Converted, Plan
from gaslamp.data.convert import convert_all
from gaslamp.data.peek import decide_for
from gaslamp.data.readers.chunks import Chunk, Numbered, parse_rows
from gaslamp.data.rows import can_adapt

DROPPED, REPLACES, SPLIT, ID = "dropped", "replaces", "split", "id"
"""Keys of a line of the file of labelled rows, besides those of the row."""
BOOKKEEPING = (DROPPED, REPLACES, SPLIT, ID)
ID_BYTES, QUESTION_BYTES, DIGEST_BYTES = 8, 8, 16


@dataclass
class Added:
    """Rows of one file on their way to the splits.

    Attributes:
        results: converted chunks.
        count: rows in them.
        replaced: ids of rows of the source that a line replaces or drops.
        questions: what the rows ask; a conversation of the source that asks the same is replaced too.
    """

    results: list[Converted] = field(default_factory=list)
    count: int = 0
    replaced: set[bytes] = field(default_factory=set)
    questions: set[bytes] = field(default_factory=set)


def convert_labelled(file: Path, plan: Plan, data: Data) -> Added:
    """The rows of the file of ``make label``: corrected ones stay in their split, new ones are divided as all are."""
    lines: dict[str | None, list[Numbered]] = {}
    added = Added()
    for number, line in enumerate(read_jsonl(file), 1):
        if name := line.get(REPLACES):
            added.replaced.add(bytes.fromhex(name))
        if not line.get(DROPPED):
            row = {key: value for key, value in line.items() if key not in BOOKKEEPING}
            lines.setdefault(line.get(SPLIT), []).append((number, row))
    chunks = [Chunk(parse_rows, f"{file}, line", rows[0][0], rows, split) for split, rows in lines.items()]
    return _convert(added, chunks, plan, data, file, "make label shows them; move the file away to do without them")


def convert_generated(file: Path, plan: Plan, data: Data) -> Added:
    """The rows of data.generate, for training."""
    rows: list[Numbered] = list(enumerate(read_jsonl(file), 1))
    chunk = Chunk(parse_rows, f"{file}, row", 1, rows, "train")
    return _convert(Added(), [chunk], plan, data, file, "make generate writes rows for the method of the config")


def _convert(added: Added, chunks: list[Chunk], plan: Plan, data: Data, file: Path, fix: str) -> Added:
    rows = [row for chunk in chunks for _, row in chunk.payload]
    if not rows:
        return added
    try:
        meaning, _ = decide_for(rows[:50], Data(slice=data.slice, group=data.group), plan.method, str(file))
    except GaslampError as error:
        raise GaslampError(f"{file}: {error.cause}", fix, f"{error.fix} (method: {plan.method})") from error
    own = replace(plan, format=meaning.reading.format, mapping=meaning.reading.mapping, split_column=None)
    if not can_adapt(meaning.reading.kind, plan.kind):
        raise GaslampError(f"{file} holds {meaning.reading.kind} rows, and the data {plan.kind} rows", fix)
    for result in convert_all(iter(chunks), own, 1):
        if result.error:
            raise GaslampError(*result.error)
        added.results.append(result)
        added.count += len(result.lines)
        added.questions |= set(_cut(result.questions, QUESTION_BYTES))
    return added


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def leave_out(result: Converted, ids: set[bytes], questions: set[bytes]) -> int:
    """Take the rows with one of these ids or questions out of a chunk, and return how many."""
    digests, prompts = _cut(result.digests, DIGEST_BYTES), _cut(result.questions, QUESTION_BYTES)
    kept = [
        number
        for number, (digest, question) in enumerate(zip(digests, prompts, strict=True))
        if digest[:ID_BYTES] not in ids and question not in questions
    ]
    count = len(digests) - len(kept)
    if count:
        result.lines = [result.lines[number] for number in kept]
        result.numbers = [result.numbers[number] for number in kept]
        result.splits = bytes(result.splits[number] for number in kept)
        result.digests = b"".join(digests[number] for number in kept)
        result.questions = b"".join(prompts[number] for number in kept)
    return count


def find_shared(result: Converted, questions: set[bytes]) -> set[bytes]:
    """Which of some questions stand in a chunk."""
    return questions & set(_cut(result.questions, QUESTION_BYTES)) if questions else set()
