"""Read, convert and check the rows of a source, and divide them into training, validation and test rows."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

from gaslamp.config.sections.data import Data
from gaslamp.core import registry
from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject
from gaslamp.data.added import Added, convert_generated, convert_labelled, find_shared, leave_out
from gaslamp.data.checking import Check, Facts, Finding, stop_on_blocks
from gaslamp.data.conversion import Plan, merge
from gaslamp.data.convert import convert_all
from gaslamp.data.meaning import get_columns
from gaslamp.data.meaning.readings import show_mapping
from gaslamp.data.peek import Peek, get_unused, peek
from gaslamp.data.sources import Source, open_source
from gaslamp.data.spool import Spool

MINIMUM_ROWS = 10
PARALLEL = 8 << 20  # bytes of source from which further processes pay


def get_check_settings(data: Data) -> dict[str, JsonObject]:
    """data.checks as load_checks takes them, with the keys of data that are short for an option of a check."""
    wanted: dict[str, JsonObject] = {"too_long": {"max_percentage": 100 * data.max_truncated}}
    if data.redact:
        wanted |= {name: {"options": {"redact": True}} for name in ("personal_data", "secrets")}
    for name, own in data.checks.items():
        values = own.model_dump()
        wanted[name] = {
            **wanted.get(name, {}),
            **values,
            "options": {**wanted.get(name, {}).get("options", {}), **values["options"]},
        }
    return wanted


def add_tokens(wanted: JsonObject, tokens: tuple[str, ...]) -> JsonObject:
    """``wanted`` with the special tokens of the model as an option of the check that looks for them."""
    own = wanted.get("special_tokens", {})
    options = own.get("options") or {}
    more = {**options, "tokens": (*tokens, *options.get("tokens", ()))}
    return {**wanted, "special_tokens": {**own, "options": more}}


def divide_rows(
    data: Data,
    method: str,
    max_length: int,
    checks: dict[str, Check],
    wanted: dict[str, Any],
    work: Path,
    processes: int | None = None,
    special_tokens: tuple[str, ...] = (),
    labelled: Path | None = None,
    generated: Path | None = None,
) -> tuple[Spool, Peek, Counter[str], Source]:
    """Read, detect, convert, check each row, leave exact duplicates out, split, and write to ``work``.

    Args:
        data: the data section of the config.
        method, max_length: for the checks of rows.
        checks: take up what is found.
        wanted: settings of the checks, as load_checks takes them.
        work: an empty folder.
        processes: how many convert; None: as many as the machine has, when the source is large.
        special_tokens: of the model, which the text of a row should not hold.
        labelled: rows written or corrected by hand.
        generated: rows that a model wrote, for training alone.

    Returns:
        The rows in their splits, what the first ones say, the source, and counts: read (all files together), labelled,
        generated, and replaced (rows of the source that a labelled one stands for).

    Raises:
        GaslampError: with all findings, when a check blocks.
    """
    source = open_source(data)
    found = peek(data, method, source)
    prepares = hasattr(registry.get("methods", method), "prepare_row")  # it has threads, and a model, of its own
    plan = Plan(
        format=found.format,
        mapping=found.mapping,
        kind=found.kind,
        method=method,
        system=data.system,
        system_as_user=data.system_as_user,
        slice=data.slice,
        group=data.group,
        split_column=found.split_column,
        folder=str(source.folder),
        images=str(work / "images"),
        speech=_get_speech(data) if prepares else {},
        checks=add_tokens(wanted, special_tokens),
        facts=Facts(found.kind, method, max_length, folder=str(work)),
    )
    if processes is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        processes = min(cores, 8) if source.size > PARALLEL and not prepares else 1
    by_hand = convert_labelled(labelled, plan, data) if labelled else Added()
    written = convert_generated(generated, plan, data) if generated else Added()
    same = by_hand.questions if found.kind == "conversation" else set()
    shared = set[bytes]()  # generated prompts that the person's own rows have too
    spool, counts = None, Counter[str]()
    known, late = set(get_columns(found.rows)), set[str]()
    for result in convert_all(source.chunks(), plan, processes):
        if result.error:
            raise GaslampError(*result.error)
        merge(checks, result)
        counts["read"] += result.read
        counts["replaced"] += leave_out(result, by_hand.replaced, same)
        shared |= find_shared(result, written.questions)
        late |= result.unread - known
        if spool is None:
            spool = Spool(work, data.split, bool(found.split_column) or any(result.splits))
        spool.add(result)
    assert spool is not None
    for name, added in (("labelled", by_hand), ("generated", written)):
        for result in added.results:
            merge(checks, result)
            counts["read"] += result.read
            counts["repeated"] += leave_out(result, set(), shared) if added is written else 0
            counts[name] += len(result.lines)
            spool.add(result, stays=added is written)
    if counts["repeated"]:
        say(f"{counts['repeated']} generated rows are left out: rows of your own have the same prompt")
    read = counts["read"]
    spool.finish()
    found.late = sorted(late - {data.slice, data.group})
    if checks["exact_duplicates"].severity != "off":
        checks["exact_duplicates"].add((Finding(*twin) for twin in spool.find_repeated()), read)
        checks["exact_duplicates"].count = spool.duplicates
    stop_on_blocks(checks)
    if read < MINIMUM_ROWS:
        raise GaslampError(
            f"{source.name} has {read} rows; training, validation and test need at least {MINIMUM_ROWS}",
            "add rows: a few hundred good ones make a visible difference",
        )
    if not spool.counts["train"] or not spool.counts["test"]:
        fix = "add rows, or correct the split column" if spool.by_column else "add rows, or change data.split"
        why, left = "", checks["left_out"]
        if left.count and left.findings:
            why = f": {left.count} of {read} rows are left out ({left.findings[0].place}: {left.findings[0].text})"
        elif 2 * spool.duplicates > read:
            why = f": {spool.duplicates} of {read} rows are exact duplicates of others"
        raise GaslampError(f"the split left no rows for training or test{why}", fix)
    say(
        f"{read} rows read as {found.format} ({show_mapping(found.mapping)}), {spool.duplicates} exact duplicates "
        "left out"
    )
    if unused := get_unused(found, data):
        say(f"columns that nothing reads: {', '.join(unused)}")
    return spool, found, counts, source


def _get_speech(data: Any) -> dict[str, Any]:
    """data.speech as plain values, of a config or of the slice that a rule passes."""
    values: dict[str, Any] = data.speech.model_dump() if hasattr(data.speech, "model_dump") else data.speech.dump()
    return values
