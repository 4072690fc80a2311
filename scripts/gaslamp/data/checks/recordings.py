"""Recordings that teach a voice badly: silent, clipped, very short or very long."""

import wave
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

from gaslamp.data.checking import Facts, Finding, Sample, get_unusual

TITLE = "recordings that are silent, clipped, very short or very long"
SEVERITY = "warn"
MAX_PERCENTAGE = 0.0
STAGE = "row"
FIX = "cut recordings into sentences of 1 to 30 seconds, and leave out the silent and clipped ones"
OPTIONS = {"shortest": 0.5, "longest": 30.0, "quiet": 0.01, "clipped": 0.01}


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Rows whose sound is shorter or longer (seconds), whose peak is below ``quiet``,
    or of which more than the share ``clipped`` is at the limit.
    """
    for sample in get_unusual(samples):
        if not str(sample.row.get("audio", "")).startswith("audio/"):
            continue
        seconds, peak, full = look_at(Path(facts.folder) / sample.row["audio"])
        options = facts.options
        if not options["shortest"] <= seconds <= options["longest"]:
            yield Finding(sample.place, f"it is {seconds:.1f} seconds long")
        elif peak < options["quiet"]:
            yield Finding(sample.place, f"it is silent (loudest {100 * peak:.1f} % of what a file can hold)")
        elif full > options["clipped"]:
            yield Finding(sample.place, f"it is clipped: {100 * full:.0f} % of it is as loud as a file can hold")


def look_at(file: Path) -> tuple[float, float, float]:
    """Seconds, peak (0 to 1) and share of samples at the limit of a 16-bit mono file."""
    with wave.open(str(file)) as sound:
        values = array("h", sound.readframes(sound.getnframes()))
        rate = sound.getframerate()
    full = sum(abs(value) >= 32767 for value in values)
    return len(values) / rate, max(map(abs, values), default=0) / 32768, full / max(1, len(values))
