"""A look at the first rows as the data phase will read them, before a model is downloaded for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gaslamp.core import registry
from gaslamp.data.checking import KEPT, Finding, load_checks, stop_on_blocks
from gaslamp.data.judgements import convert_kept
from gaslamp.data.meaning.readings import Mapping
from gaslamp.data.readers.chunks import Problem, write_place
from gaslamp.data.rows import LeftOut
from gaslamp.data.sources import Source

if TYPE_CHECKING:  # the interview looks at rows before pydantic is installed
    from gaslamp.config.sections.data import Data

MOST = 20_000  # rows
SECONDS = 1.0


@dataclass
class Glance:
    """What was seen.

    Attributes:
        seen: rows that were looked at.
        unreadable: what is no row.
        wrong: rows that the format refuses.
        count: of both kinds; the lists hold the first ones.
    """

    seen: int = 0
    unreadable: list[Finding] = field(default_factory=list)
    wrong: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"unreadable": 0, "wrong_types": 0})


def glance(source: Source, format_name: str, mapping: Mapping) -> Glance:
    """Convert the first rows of a source and keep what cannot be learnt.

    Args:
        source: an open one.
        format_name, mapping: how its columns are read.
    """
    convert = registry.get("formats", format_name).convert
    result = Glance()
    end = time.monotonic() + SECONDS
    for chunk in source.chunks():
        problems: list[Problem] = []
        for number, row in chunk.read(problems):
            result.seen += 1
            try:
                convert_kept(convert, row, mapping)
            except LeftOut:
                pass
            except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
                result.counts["wrong_types"] += 1
                if len(result.wrong) < KEPT:
                    text = f"column {error} is missing" if isinstance(error, KeyError) else str(error)
                    result.wrong.append(Finding(write_place(chunk.label, number), text))
            if result.seen >= MOST or time.monotonic() > end:
                break
        result.seen += len(problems)
        result.counts["unreadable"] += len(problems)
        result.unreadable += [Finding(*problem) for problem in problems][: KEPT - len(result.unreadable)]
        if result.seen >= MOST or time.monotonic() > end:
            break
    return result


def refuse_broken(source: Source, data: Data, format_name: str, mapping: Mapping) -> None:
    """Raise for rows near the beginning that would stop the data phase later.

    Args:
        source: an open one.
        data: the data section of the config; its checks decide what stops.
        format_name, mapping: how the columns are read.

    Raises:
        GaslampError: as the data phase raises it.
    """
    seen = glance(source, format_name, mapping)
    names = ("unreadable", "wrong_types")
    own = {name: data.checks[name].model_dump() for name in names if name in data.checks}
    checks = load_checks(own)
    for name, findings in zip(names, (seen.unreadable, seen.wrong), strict=True):
        checks[name].add(findings, seen.seen)
        checks[name].count = seen.counts[name]
    stop_on_blocks({name: checks[name] for name in names if checks[name].severity == "block"})
