"""Parse and convert one chunk of rows: what runs in every process of the data phase."""

from __future__ import annotations

import gc
import hashlib
from binascii import hexlify
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.checking import KEPT, Check, Facts, Finding, Samples, load_checks
from gaslamp.data.images import has_parts, store_images
from gaslamp.data.judgements import convert_kept
from gaslamp.data.meaning.readings import Mapping, get_mapped_columns, get_read_anyway
from gaslamp.data.privacy import redact_row
from gaslamp.data.readers.chunks import Chunk, Problem, write_place
from gaslamp.data.readers.numbers import WrittenNumber, dump, write_number
from gaslamp.data.readers.splits import get_split
from gaslamp.data.rows import LeftOut, Row, adapt_all, get_prompt, is_plain
from gaslamp.data.system_turn import add_system, get_system, put_system_into_user

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


Waiting = tuple[int, Row, dict[str, Any], bytes, bytes, bool]
"""A converted row on its way: its number in the file, the row, what it was made from, its JSON, what it asks,
and rows.is_plain of it.
"""


class Converter:
    """A plan with its plug-ins loaded: made once in a process."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.format = registry.get("formats", plan.format)
        self.convert_row = partial(convert_kept, self.format.convert) if "keep" in plan.mapping else self.format.convert
        self.method = registry.get("methods", plan.method)
        self.checks = [
            check for check in load_checks(plan.checks).values() if check.stage == "row" and check.severity != "off"
        ]
        self.used = {
            *get_mapped_columns(plan.mapping),
            *(name for name in get_read_anyway(self.format) if name not in plan.mapping),
            plan.slice,
            plan.split_column or "split",
        }
        self.redacts = any(check.fixes_rows and check.options.get("redact") for check in self.checks)
        self.takes_plain = getattr(self.method, "TAKES_PLAIN", False)
        self.adapts = plan.kind != self.format.KIND
        self.prepare = getattr(self.method, "prepare_row", None)

    def convert(self, chunk: Chunk) -> Converted:
        """All rows of a chunk.

        A damaged file comes back as ``error``: exceptions of ours do not travel between processes.
        """
        collects = gc.isenabled()
        gc.disable()  # rows hold no cycles; looking for some in all of a chunk's objects took a tenth of the time
        try:
            return self._convert(chunk)
        except GaslampError as error:
            return Converted(chunk.label, error=(error.cause, error.fix, error.less_likely))
        finally:
            if collects:
                gc.enable()

    def _convert(self, chunk: Chunk) -> Converted:
        import orjson
        import xxhash

        plan, convert, validate, used = self.plan, self.convert_row, self.method.validate, self.used
        mapping, label, dumps, digest_of = plan.mapping, chunk.label, orjson.dumps, xxhash.xxh3_128_digest
        result = Converted(label)
        problems: list[Problem] = []
        wrong_types: list[Finding] = []
        wrong_rows: list[Finding] = []
        left_out: list[Finding] = []
        rows: list[Waiting] = []
        extra_of: dict[tuple[str, ...], list[str]] = {}  # columns of a row -> those that no role uses
        fixed_split = 1 + SPLITS.index(chunk.split) if chunk.split else 0
        mapped = set(get_mapped_columns(mapping))
        count = 0
        for number, source in chunk.read(problems):
            count += 1
            try:
                row = convert(source, mapping)
                if plan.system:
                    row = add_system(row, plan.system)
                if plan.system_as_user:
                    if len(result.systems) < 2:
                        result.systems.add(get_system(row))
                    row = put_system_into_user(row)
                for made in adapt_all(row, plan.kind) if self.adapts else (row,):
                    plain = is_plain(made)
                    if not plain and has_parts(made):
                        store_images(made, Path(plan.folder), Path(plan.images))
                    final = made
                    if self.prepare:
                        final = self.prepare(made, plan)
                        plain = is_plain(final)
                    core, question = write_row(final, plain)
                    rows.append((number, final, source, core, question, plain))
            except LeftOut as reason:
                left_out.append(Finding(write_place(label, number), str(reason)))
            except orjson.JSONEncodeError as error:
                wrong_types.append(Finding(write_place(label, number), f"it cannot be written as JSON: {error}"))
            except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
                shape = "" if mapped & source.keys() else f" (this row has the columns {', '.join(source)[:100]})"
                wrong_types.append(Finding(write_place(label, number), f"{_describe(error)}{shape}"))
        result.read = count + len(problems)
        if self.checks and rows:
            rows = self._check(rows, label, result)
        lines, digests, questions, splits = result.lines, [], [], bytearray()
        slice_column, group_column, seen_numbers = plan.slice, plan.group, result.numbers
        split_column = plan.split_column
        for number, row, source, core, question, plain in rows:
            try:
                wrong = validate(row) if not (plain and self.takes_plain) else ()
            except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
                wrong_types.append(Finding(write_place(label, number), _describe(error)))
                continue
            if wrong:
                wrong_rows += [Finding(write_place(label, number), text) for text in wrong]
                continue
            given = fixed_split
            if split_column and not given:
                name = get_split(source.get(split_column))
                if name is None:
                    wrong_types.append(
                        Finding(
                            write_place(label, number),
                            f"column '{split_column}' holds {source.get(split_column)!r}, not train, valid or test",
                        )
                    )
                    continue
                given = 1 + SPLITS.index(name)
            digest = digest_of(core)
            tail = b""
            value = source.get(slice_column)
            if type(value) is str or type(value) is int or type(value) is bool:
                tail = b',"slice":' + dumps(str(value))
            names = tuple(source)
            extra = extra_of.get(names)
            if extra is None:
                extra = extra_of[names] = [name for name in names if name not in used]
            if extra:
                rest = {name: source[name] for name in extra if type(source[name]) in SCALARS}
                if rest:
                    rest = redact_row(rest) if self.redacts else rest
                    try:
                        tail += b',"columns":' + dumps(rest, default=write_number)
                    except TypeError:
                        tail += b',"columns":' + dumps(
                            {name: item for name, item in rest.items() if _is_writable(item, dumps)}
                        )
            group = source.get(group_column)
            if group is not None and type(group) in SCALARS:
                question = f"group:{group}".encode("utf-8", "surrogatepass")
            lines.append(b'{"id":"%b",%b%b}\n' % (hexlify(digest[:8]), core[1:-1], tail))
            digests.append(digest)
            questions.append(hashlib.blake2b(question, digest_size=16).digest()[:8])
            splits.append(given)
            seen_numbers.append(number)
        result.unread.update(*extra_of.values())
        result.digests, result.questions, result.splits = b"".join(digests), b"".join(questions), bytes(splits)
        self._report(result, "unreadable", [Finding(*problem) for problem in problems], result.read)
        self._report(result, "wrong_types", wrong_types, result.read)
        self._report(result, "left_out", left_out, result.read)
        self._report(result, "method_rows", wrong_rows, result.read)
        return result

    def _report(self, result: Converted, name: str, findings: list[Finding], seen: int) -> None:
        count, kept = result.found.get(name, (0, []))
        result.found[name] = (count + len(findings), [*kept, *findings][:KEPT])
        result.seen[name] = seen

    def _check(self, rows: list[Waiting], label: str, result: Converted) -> list[Waiting]:
        """Call the checks that look at rows as they stream; those that drop or fix rows change the list."""
        samples: Samples | None = None
        for check in self.checks:
            if samples is None:
                samples = Samples(label, rows)
                facts = replace(self.plan.facts, shared={"json": [item[3] for item in rows]})
            findings = list(check.plugin.check(samples, check.get_facts(facts)))
            self._report(result, check.name, findings, len(samples))
            if not findings:
                continue
            places = {finding.place for finding in findings}
            if check.fixes_rows:
                for index, (number, row, source, *_) in enumerate(rows):
                    if write_place(label, number) in places:
                        fixed = check.plugin.fix(row, check.options)
                        plain = is_plain(fixed)
                        rows[index] = (number, fixed, source, *write_row(fixed, plain), plain)
                samples = None
            elif getattr(check.plugin, "DROPS", False):
                rows = [item for item in rows if write_place(label, item[0]) not in places]
                samples = None
        return rows


SCALARS = frozenset((str, int, float, bool, WrittenNumber))


def _is_writable(value: Any, dumps: Any) -> bool:
    try:
        dumps(value)
    except TypeError:
        return False
    return True


def _describe(error: Exception) -> str:
    """A ValueError of a format explains itself; anything else is an unexpected shape."""
    if type(error) is ValueError:
        return str(error)
    if isinstance(error, KeyError):
        return f"column {error} is missing"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return f"its values have an unexpected shape ({type(error).__name__}: {error})"


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


_converter: Converter | None = None


def start_process(plan: Plan) -> None:
    """Load the plug-ins of a plan, once in a process."""
    global _converter
    _converter = Converter(plan)


def convert_chunk(chunk: Chunk) -> Converted:
    """Convert a chunk with the plan that start_process loaded."""
    assert _converter is not None
    return _converter.convert(chunk)


def convert_all(chunks: Iterator[Chunk], plan: Plan, processes: int) -> Iterator[Converted]:
    """Every chunk in order, converted here or by ``processes`` others; a few chunks are under way at a time.

    Raises:
        GaslampError: a process was ended from outside (memory), or a file is damaged.
    """
    if processes < 2:
        start_process(plan)
        yield from map(convert_chunk, chunks)
        return
    import multiprocessing
    from collections import deque
    from concurrent.futures import Future, ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    context = multiprocessing.get_context("spawn")  # a fork would copy the threads of pyarrow
    with ProcessPoolExecutor(processes, context, start_process, (plan,)) as pool:
        waiting: deque[Future[Converted]] = deque()
        try:
            for chunk in chunks:
                waiting.append(pool.submit(convert_chunk, chunk))
                if len(waiting) > 2 * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise GaslampError(
                "a process that converts rows was ended from outside", "free memory and run the same command"
            ) from error
        finally:
            for future in waiting:
                future.cancel()


def merge(checks: dict[str, Check], result: Converted) -> None:
    """Take up what a chunk's checks found."""
    for name, (count, findings) in result.found.items():
        check = checks[name]
        check.seen += result.seen.get(name, 0)
        check.count += count
        check.findings += findings[: max(0, KEPT - len(check.findings))]
