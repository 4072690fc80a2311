"""Rows that would stop the run, in the plan: how many of the first ones, the first of them with file and row."""

from __future__ import annotations

from gaslamp.core.errors import GaslampError
from gaslamp.data.glance import Glance, glance
from gaslamp.data.meaning import Reading
from gaslamp.data.sources import open_source
from gaslamp.guide.look import Look, get_settings

SHOWN = 3


def find_broken(look: Look, path: str, reading: Reading | None) -> list[str]:
    """A sentence on rows that cannot be read or learnt, with the first of them; none where all are right.

    Args:
        look: at the data, which remembers what was seen.
        path: of the file or folder; empty for other data.
        reading: how the columns are read; ``None``: not known.
    """
    if not path or reading is None:
        return []
    key = f"{reading.format} {reading.mapping}"
    if key not in look.seen:
        look.seen[key] = _glance(path, reading)
    seen = look.seen[key]
    if seen is None or not (count := sum(seen.counts.values())):
        return []
    found = [*seen.unreadable, *seen.wrong][:SHOWN]
    listed = "; ".join(f"{one.place}: {one.text}" for one in found)
    more = f"; and {count - len(found)} more" if count > len(found) else ""
    one = count == 1
    return [
        f"{count:,} of the first {seen.seen:,} rows cannot be learnt and would stop the run: {listed}{more}. "
        f"Correct {'it' if one else 'them'}; make data names each row, and says how to leave it out."
    ]


def _glance(path: str, reading: Reading) -> Glance | None:
    """What the first rows are, as the data phase will see them; ``None`` where no reader is installed here."""
    try:
        return glance(open_source(get_settings(path)), reading.format, reading.mapping)
    except (GaslampError, ImportError, OSError, ValueError):
        return None  # the look at the data says why
