"""Rows as lines of JSON, as they will stand on disk, with what identifies them: many at a time."""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any

from gaslamp.data.checking import Finding
from gaslamp.data.conversion import SPLITS, Converted, Plan
from gaslamp.data.privacy import redact_row
from gaslamp.data.readers.chunks import write_place
from gaslamp.data.readers.numbers import WrittenNumber, dump, write_number
from gaslamp.data.readers.splits import get_split
from gaslamp.data.rows import Pair, Row, SourceRow, get_prompt

Waiting = tuple[int, Row | Pair, SourceRow, bytes, bytes, bool]
"""A converted row on its way: its number in the file, the row, what it was made from, its JSON, what it asks,
and rows.is_plain of it.
"""


def _hash(questions: list[bytes]) -> Iterator[bytes]:
    """8 bytes of each text."""
    copy = blake2b(digest_size=16).copy  # a copy is made faster than a new one
    for text in questions:
        one = copy()
        one.update(text)
        yield one.digest()[:8]


SCALARS = frozenset((str, int, float, bool, WrittenNumber))


def _is_writable(value: Any, dumps: Any) -> bool:
    try:
        dumps(value)
    except TypeError:
        return False
    return True


class Writer:
    """Turns converted rows into lines, with their splits.

    Args:
        plan: of the conversion.
        used: columns that a role uses; the others stay with the row.
        redacts: a check removes personal data, from those columns too.
    """

    def __init__(self, plan: Plan, used: set[str], redacts: bool) -> None:
        self.plan, self.used, self.redacts = plan, used, redacts
        self._extra: dict[tuple[str, ...], list[str]] = {}  # columns of a row -> those that no role uses

    def write(self, rows: list[Waiting], split: str | None, result: Converted) -> list[Finding]:
        """Put the lines of a chunk into ``result``; returns what is wrong with the splits that rows name.

        Args:
            rows: that survived the checks.
            split: of the whole chunk; None where the rows may say it.
            result: takes up lines, digests, questions, splits, numbers and unread columns.
        """
        from xxhash import xxh3_128_digest

        wrong: list[Finding] = []
        given = bytes([1 + SPLITS.index(split) if split else 0]) * len(rows)
        if self.plan.split_column and not split:
            rows, given = self._read_splits(rows, result.label, wrong)
        digests = b"".join([xxh3_128_digest(core) for _, _, _, core, _, _ in rows])
        names = hexlify(digests)
        ids = [names[start : start + 16] for start in range(0, 2 * len(digests), 32)]
        tails = self._get_tails([source for _, _, source, _, _, _ in rows])
        result.lines = [
            b'{"id":"%b",%b%b}\n' % (name, item[3][1:-1], tail)
            for name, item, tail in zip(ids, rows, tails, strict=True)
        ]
        result.digests, result.splits = digests, given
        questions = self._get_questions(rows)
        result.questions = b"".join(_hash(questions))
        result.numbers = [item[0] for item in rows]
        result.unread.update(*self._extra.values())
        return wrong

    def _read_splits(self, rows: list[Waiting], label: str, wrong: list[Finding]) -> tuple[list[Waiting], bytes]:
        kept, given = [], bytearray()
        for item in rows:
            value = item[2].get(self.plan.split_column)  # type: ignore[arg-type]  # the caller looked
            name = get_split(value)
            if name is None:
                text = f"column '{self.plan.split_column}' holds {value!r}, not train, valid or test"
                wrong.append(Finding(write_place(label, item[0]), text))
                continue
            kept.append(item)
            given.append(1 + SPLITS.index(name))
        return kept, bytes(given)

    def _get_questions(self, rows: list[Waiting]) -> list[bytes]:
        """What each row asks; its group instead, where it has one: such rows stay in one split."""
        column, questions = self.plan.group, []
        for _, _, source, _, question, _ in rows:
            group = source.get(column)
            if group is not None and type(group) in SCALARS:
                question = f"group:{group}".encode("utf-8", "surrogatepass")
            questions.append(question)
        return questions

    def _get_tails(self, sources: list[SourceRow]) -> list[bytes]:
        """The end of each line: its slice, and the columns that no role uses."""
        import orjson

        dumps, column, found, tails = orjson.dumps, self.plan.slice, self._extra, []
        for source in sources:
            tail = b""
            value = source.get(column)
            if type(value) is str or type(value) is int or type(value) is bool:
                tail = b',"slice":' + dumps(str(value))
            names = tuple(source)
            extra = found.get(names)
            if extra is None:
                extra = found[names] = [name for name in names if name not in self.used]
            if extra and (rest := {name: source[name] for name in extra if type(source[name]) in SCALARS}):
                rest = redact_row(rest) if self.redacts else rest
                try:
                    tail += b',"columns":' + dumps(rest, default=write_number)
                except TypeError:
                    tail += b',"columns":' + dumps(
                        {name: item for name, item in rest.items() if _is_writable(item, dumps)}
                    )
            tails.append(tail)
        return tails


TURN = ["role", "content"]
LAST_ANSWER = b',{"role":"assistant","content":"'  # no text holds it: quotes in a text are escaped


def write_row(row: Row, plain: bool) -> tuple[bytes, bytes]:
    """The JSON of a row, and of what it asks.

    Of a talk in order the second is the beginning of the first: written once.
    """
    import orjson

    if not plain or len(row) > 1:
        core = dump(row)
        return core, get_question_bytes(row, dump, b'"train":' in core)
    core = orjson.dumps(row)  # a plain row holds texts alone
    last = core.rfind(LAST_ANSWER)
    for turn in row["messages"]:
        if last < 0 or [*turn] != TURN:
            return core, get_question_bytes(row, orjson.dumps, b'"train":' in core)
    return core, core[12:last] + b"]"


def get_question_bytes(row: Row, dumps: Callable[[object], bytes], is_marked: bool = True) -> bytes:
    """What rows.get_question hashes, without the hash, by a faster JSON writer; ``is_marked``:
    a message may have ``train``.
    """
    messages = row.get("messages")
    if messages is not None:
        return dumps(get_prompt(row) if is_marked else messages[:-1])
    return dumps(row["prompt"] if "prompt" in row else row["text"] if "text" in row else row["anchor"])


def write_system(system: str) -> bytes:
    """How the question of a row begins that has ``system`` as its system prompt."""
    import orjson

    return b'[{"role":"system","content":%b},' % orjson.dumps(system)


def write_pair(question: str, answer: str) -> tuple[bytes, bytes]:
    """What ``write_row`` gives for the conversation of a pair."""
    import orjson

    prompt = b'[{"role":"user","content":%b}' % orjson.dumps(question)
    return b'{"messages":%b,{"role":"assistant","content":%b}]}' % (prompt, orjson.dumps(answer)), prompt + b"]"
