"""Parse and convert one chunk of rows: what runs in every process of the data phase."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.checking import Finding, Samples, load_checks
from gaslamp.data.conversion import Converted, Plan
from gaslamp.data.images import has_parts, store_images
from gaslamp.data.judgements import convert_kept
from gaslamp.data.meaning.readings import get_mapped_columns, get_read_anyway
from gaslamp.data.readers.chunks import Chunk, Numbered, Problem, write_place
from gaslamp.data.rows import LeftOut, Pair, adapt_all, get_row, is_plain
from gaslamp.data.system_turn import add_system, get_system, put_system_into_user
from gaslamp.data.written import Waiting, Writer, write_pair, write_row, write_system


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
        used = {
            *get_mapped_columns(plan.mapping),
            *(name for name in get_read_anyway(self.format) if name not in plan.mapping),
            plan.slice,
            plan.split_column or "split",
        }
        self.writer = Writer(plan, used, any(check.fixes_rows and check.options.get("redact") for check in self.checks))
        self.system = write_system(plan.system) if plan.system else b""
        self.takes_plain = getattr(self.method, "TAKES_PLAIN", False)
        self.adapts = plan.kind != self.format.KIND
        self.prepare = getattr(self.method, "prepare_row", None)
        asks = plan.system or plan.system_as_user or "keep" in plan.mapping or self.prepare or self.adapts
        self.finds_pairs = self.takes_plain and not asks and hasattr(self.format, "find_pairs")

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
        result, label = Converted(chunk.label), chunk.label
        problems: list[Problem] = []
        found: dict[str, list[Finding]] = {"wrong_types": [], "left_out": [], "method_rows": []}
        sources = list(chunk.read(problems))
        result.read = len(sources) + len(problems)
        rows = self._convert_rows(sources, result, found)
        if self.checks and rows:
            rows = self._check(rows, label, result)
        rows = self._validate(rows, label, found)
        found["wrong_types"] += self.writer.write(rows, chunk.split, result)
        result.report("unreadable", [Finding(*problem) for problem in problems], result.read)
        for name, findings in found.items():
            result.report(name, findings, result.read)
        return result

    def _convert_rows(
        self, sources: list[Numbered], result: Converted, found: dict[str, list[Finding]]
    ) -> list[Waiting]:
        """The rows of a chunk; what cannot be converted goes to ``found``, by check."""
        import orjson

        plan, convert, label = self.plan, self.convert_row, result.label
        mapped = set(get_mapped_columns(plan.mapping))
        rows: list[Waiting] = []
        for (number, source), pair in zip(sources, self._find_pairs(sources), strict=True):
            try:
                if pair:
                    rows.append((number, pair, source, *write_pair(*pair), True))
                    continue
                row = convert(source, plan.mapping)
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
                    question = self.leave_system_out(question)
                    rows.append((number, final, source, core, question, plain))
            except LeftOut as reason:
                found["left_out"].append(Finding(write_place(label, number), str(reason)))
            except orjson.JSONEncodeError as error:
                found["wrong_types"].append(
                    Finding(write_place(label, number), f"it cannot be written as JSON: {error}")
                )
            except UNEXPECTED as error:
                shape = "" if mapped & source.keys() else f" (this row has the columns {', '.join(source)[:100]})"
                found["wrong_types"].append(Finding(write_place(label, number), f"{_describe(error)}{shape}"))
        return rows

    def leave_system_out(self, question: bytes) -> bytes:
        """What a row asks without ``data.system``, so that another system prompt moves no row to another split."""
        return b"[" + question[len(self.system) :] if self.system and question.startswith(self.system) else question

    def _find_pairs(self, sources: list[Numbered]) -> Iterable[Pair | None]:
        """Question and answer of rows that need no more than these two texts; None for others."""
        if not self.finds_pairs:
            return [None] * len(sources)
        found: list[Pair | None] = self.format.find_pairs([row for _, row in sources], self.plan.mapping)
        return found

    def _validate(self, rows: list[Waiting], label: str, found: dict[str, list[Finding]]) -> list[Waiting]:
        """The rows that the method takes."""
        if self.takes_plain and all(item[-1] for item in rows):
            return rows
        validate, kept = self.method.validate, []
        for item in rows:
            number, row, *_, plain = item
            if not (plain and self.takes_plain):
                try:
                    wrong = validate(row)
                except UNEXPECTED as error:
                    found["wrong_types"].append(Finding(write_place(label, number), _describe(error)))
                    continue
                if wrong:
                    found["method_rows"] += [Finding(write_place(label, number), text) for text in wrong]
                    continue
            kept.append(item)
        return kept

    def _check(self, rows: list[Waiting], label: str, result: Converted) -> list[Waiting]:
        """Call the checks that look at rows as they stream; those that drop or fix rows change the list."""
        samples: Samples | None = None
        for check in self.checks:
            if samples is None:
                samples = Samples(label, rows)
                facts = replace(self.plan.facts, shared={"json": [item[3] for item in rows]})
            findings = list(check.plugin.check(samples, check.get_facts(facts)))
            result.report(check.name, findings, len(samples))
            if not findings:
                continue
            places = {finding.place for finding in findings}
            if check.fixes_rows:
                for index, (number, row, source, *_) in enumerate(rows):
                    if write_place(label, number) in places:
                        fixed = check.plugin.fix(get_row(row), check.options)
                        plain = is_plain(fixed)
                        core, question = write_row(fixed, plain)
                        rows[index] = (number, fixed, source, core, self.leave_system_out(question), plain)
                samples = None
            elif getattr(check.plugin, "DROPS", False):
                rows = [item for item in rows if write_place(label, item[0]) not in places]
                samples = None
        return rows


UNEXPECTED = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)
"""What a format or a method raises for a row of a shape that it does not expect."""


def _describe(error: Exception) -> str:
    """A ValueError of a format explains itself; anything else is an unexpected shape."""
    if type(error) is ValueError:
        return str(error)
    if isinstance(error, KeyError):
        return f"column {error} is missing"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return f"its values have an unexpected shape ({type(error).__name__}: {error})"


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
