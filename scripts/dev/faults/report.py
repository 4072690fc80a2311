"""docs/reliability.md: what the campaign tried, what it found, and what it cannot show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from gaslamp.core.console import get_duration
from gaslamp.core.files import JsonObject, write_text

from faults.bench import Trial

PAGE = Path(__file__).parents[3] / "docs" / "reliability.md"
RECORD = "campaigns.json"
"""In the folder of the campaign: what each seed found, so that a second seed does not forget the first."""
HEAD = """# Reliability

<!-- written by make faults from what it saw; edit scripts/dev/faults/report.py -->

`make faults` damages runs of the whole graph at random places and compares what they end with. A run of a tiny model
(2 layers, 60 steps, a checkpoint every 5) is made once without any fault. Each trial is a copy of it that has to do a
part again, gets its faults, and then the same command, once. It holds when

- that command ends well, without a step by hand and without a traceback, and a command that cannot end well says why;
- data, adapter, merged model, every GGUF file, all predictions (but for their times) and the verdict are equal to the
  undisturbed run, byte by byte;
- a training lost no more steps than lie between two checkpoints, and nothing that was killed goes on;
- nothing hangs (15 minutes for a command, 3 for what should stop).

    make faults ARGS="--seed 1 --minutes 20"          # all kinds in turn; the seed decides each fault
    make faults ARGS="--seed 1 --only kills,disk"

## What was tried
"""
TAIL = """
## What it cannot show

- Power loss: files are written under another name, synced and renamed, but no trial takes the disk's cache away.
- A damaged file system or memory: damage comes in single files, while nothing runs.
- Windows and macOS: these trials ran on Linux. Closed terminals, signals and locks are the system's.
- Trainings on a GPU, on several GPUs, with MLX, or on another machine; a kill in the seconds in which CUDA starts.
- A clock that is set while a process runs: `faketime` gives a whole command another time.
- Large models: the tiny one writes its files in a moment, so that a kill hits long writes less often than with yours.
- What people do by hand between two commands, other than damaging files.
"""


def write_report(
    folder: Path, seed: int, seconds: float, trials: Mapping[str, list[Trial]], kinds: Mapping[str, ModuleType]
) -> Path:
    """Add a campaign to the record in ``folder`` and write the page; one of that seed is replaced by kind."""
    file = folder / RECORD
    record: JsonObject = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    known = record.setdefault(str(seed), {"seconds": 0.0, "kinds": {}})
    known["seconds"] += seconds
    for name, done in trials.items():
        known["kinds"][name] = {
            "trials": sum(not trial.skipped for trial in done),
            "faults": sum(trial.faults for trial in done if not trial.skipped),
            "problems": [f"{trial.what}: {problem}" for trial in done for problem in trial.problems],
            "skipped": sorted({trial.skipped for trial in done if trial.skipped}),
        }
    write_text(file, json.dumps(record, indent=1, ensure_ascii=False))
    write_text(PAGE, render(record, kinds))
    return PAGE


def render(record: JsonObject, kinds: Mapping[str, ModuleType]) -> str:
    """The page."""
    lines = [HEAD, "| kind | faults | seed | trials | faults given | broken promises |", "|---|---|---|---|---|---|"]
    left = []
    for name, module in kinds.items():
        if not any(name in campaign["kinds"] for campaign in record.values()):
            lines.append(f"| `{name}` | {module.ABOUT} | | 0 | 0 | not tried |")
        for seed, campaign in sorted(record.items(), key=lambda item: int(item[0])):
            if found := campaign["kinds"].get(name):
                problems = len(found["problems"])
                cells = [f"`{name}`", module.ABOUT, seed, found["trials"], found["faults"], problems or "none"]
                lines.append(f"| {' | '.join(map(str, cells))} |")
                left += [f"- `{name}`, seed {seed}: {clean(problem)}" for problem in found["problems"]]
                left += [f"- `{name}`, seed {seed}: left out, {reason}" for reason in found["skipped"]]
    times = ", ".join(f"seed {seed} {get_duration(one['seconds'])}" for seed, one in sorted(record.items()))
    lines += ["", f"Time on two cores that other programs used too: {times}."]
    if left:
        lines += ["", "## What is not as promised", "", *left]
    return "\n".join(lines) + "\n" + TAIL


def clean(text: str) -> str:
    """A problem in one line, without what only this machine has."""
    import re

    text = re.sub(r"(/[\w.@+-]+){2,}", "…", " ".join(text.split()))
    return text.replace("|", "¦")[:400]
