"""What the first rows of a source say, read before anything is downloaded, converted or trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice

from gaslamp.config.sections.data import Data
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.checking import Finding, load_checks, stop_on_blocks
from gaslamp.data.generation.facts import MARK
from gaslamp.data.glance import refuse_broken
from gaslamp.data.meaning import LOOKED_AT, Mapping, Meaning, choose_kind, decide, get_columns
from gaslamp.data.meaning.examples import check_certain
from gaslamp.data.meaning.readings import get_mapped_columns
from gaslamp.data.readers.chunks import Problem
from gaslamp.data.readers.splits import names_splits
from gaslamp.data.rows import SourceRow
from gaslamp.data.sample import read_sample
from gaslamp.data.source_names import is_hub_id
from gaslamp.data.sources import Source, open_preview, open_source

EMBEDDED_ROWS = 8  # images take time to draw


@dataclass
class Peek:
    """What the first rows of a source say.

    Attributes:
        rows: the sample.
        meaning: of its columns.
        kind: of the rows that are written.
        split_column: the column, called split in any case, in which every row names its split.
        late: columns that stand only in rows behind the sample, and that nothing reads; known once all rows were read.
    """

    rows: list[SourceRow]
    meaning: Meaning
    kind: str
    split_column: str | None
    late: list[str] = field(default_factory=list)

    @property
    def format(self) -> str:
        """The format plug-in."""
        return self.meaning.reading.format

    @property
    def mapping(self) -> Mapping:
        """Role -> column."""
        return self.meaning.reading.mapping


def decide_for(rows: list[SourceRow], data: Data, method: str, name: str = "") -> tuple[Meaning, str]:
    """The meaning of the columns, and the kind of row that ``method`` gets.

    Args:
        rows: the sample.
        data: the data section of the config.
        method: whose KINDS the rows must become.
        name: of the source, for messages.

    Raises:
        GaslampError: no format fits, the meaning is not certain, or the method needs other columns.
    """
    plugin = registry.get("methods", method)
    meaning = decide(rows, data.format, data.columns, plugin.KINDS, data.meaning, (data.slice, data.group))
    check_certain(meaning, rows, plugin.KINDS, name)
    reading = meaning.reading
    return meaning, choose_kind(reading.kind, method, plugin, rows, reading.format, reading.mapping)


def peek(data: Data, method_name: str, source: Source | None = None) -> Peek:
    """Read the first rows and decide what they mean; nothing is converted or written.

    Args:
        data: the data section of the config.
        method_name: whose KINDS the rows must become.
        source: when it is open already.

    Raises:
        GaslampError: nothing can be read, or ``decide_for`` refuses the columns.
    """
    source = source or open_source(data)
    problems: list[Problem] = []
    rows = read_sample(source, problems, wanted=get_mapped_columns(data.columns))
    if not rows:
        checks = load_checks({})
        checks["unreadable"].add([Finding(*problem) for problem in problems], len(problems))
        stop_on_blocks(checks)
        why = "".join(f"\n    {note}" for note in source.notes)
        raise GaslampError(f"{source.name} has no rows{why}", "put rows into it, or set data.source to another file")
    meaning, kind = decide_for(rows, data, method_name, source.name)
    column = next((name for name in get_columns(rows) if names_splits(name, rows)), None)
    return Peek(rows, meaning, kind, column)


def find_method_problem(data: Data, method: str) -> GaslampError | None:
    """Why ``method`` cannot learn from the first rows of data.source, or why some cannot be read; ``None`` when it can.

    Called before anything is downloaded or trained: of a hub set only the first rows are fetched.
    """
    try:
        if data.source.startswith("embedded:"):
            module = registry.get("embedded", data.source.removeprefix("embedded:"))
            rows = list(islice(module.generate(), EMBEDDED_ROWS))
            source = None
        else:
            source = open_preview(data)
            rows = read_sample(source, [], LOOKED_AT, get_mapped_columns(data.columns))
        if rows:  # without any the data phase names every line
            meaning, _ = decide_for(rows, data, method, data.source)
            if source and not is_hub_id(data.source) and not data.sql:
                refuse_broken(source, data, meaning.reading.format, meaning.reading.mapping)
    except GaslampError as error:
        return error
    return None


def get_unused(found: Peek, data: Data) -> dict[str, bool]:
    """Columns that nothing reads -> whether they hold information. ``data.slice`` and ``data.group`` are read.

    Args:
        found: of the source.
        data: the data section of the config.
    """
    unused = {
        column.name: column.has_information
        for column in found.meaning.unused
        if column.name not in (data.slice, data.group, MARK)
    }
    return {**unused, **dict.fromkeys(found.late, True)}


def get_unused_warnings(found: Peek, data: Data) -> list[str]:
    """A warning when columns with information are left out.

    None for prompts, whose further columns reach the rewards.
    """
    lost = [name for name, informative in get_unused(found, data).items() if informative]
    if not lost or found.kind == "prompt":
        return []
    one = len(lost) == 1
    late = [name for name in lost if name in found.late]
    which = "" if late == lost else f"{', '.join(late)}: "
    where = f" ({which}only behind the first {LOOKED_AT} rows)" if late else ""
    return [
        f"the column{'' if one else 's'} {', '.join(lost)}{where} hold{'s' if one else ''} information and "
        f"{'is' if one else 'are'} not learnt: data.columns in config.yaml gives {'it' if one else 'them'} a role"
    ]
