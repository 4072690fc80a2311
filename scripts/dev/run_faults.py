"""Damage runs at random places, with a seed, and compare their ends (make faults); writes docs/reliability.md."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "scripts"), str(ROOT / "tests")]

from faults import clock, configs, corruption, disk, kills, soak, strings, together  # noqa: E402
from faults.bench import Bench, Trial  # noqa: E402
from faults.report import write_report  # noqa: E402
from gaslamp.core.cli import get_parser  # noqa: E402
from gaslamp.core.console import get_duration  # noqa: E402
from gaslamp.core.errors import exit_with_help  # noqa: E402

KINDS = {
    "kills": kills,
    "corruption": corruption,
    "disk": disk,
    "together": together,
    "clock": clock,
    "configs": configs,
    "strings": strings,
    "soak": soak,
}
ONCE = ("soak",)
"""Kinds that take long and find nothing new in a second trial."""
CHEAP = {"configs": 12, "strings": 1}
"""Kinds whose trials take seconds -> how many are enough."""


def main() -> int:
    parser = get_parser(__doc__)
    parser.add_argument("--seed", type=int, default=1, help="decides every fault (default 1)")
    parser.add_argument("--minutes", type=float, default=20, help="begin no trial after so long (default 20)")
    parser.add_argument("--only", type=split, default=list(KINDS), help=f"some of: {', '.join(KINDS)}")
    parser.add_argument(
        "--first", type=int, default=1, help="number of the first trial, to repeat one or go on (default 1)"
    )
    parser.add_argument("--folder", type=Path, help="keeps the undisturbed run and the record (default: a new one)")
    args = parser.parse_args()
    folder = (args.folder or Path(tempfile.mkdtemp(prefix="gaslamp-faults-"))).resolve()
    print(f"{folder}: the undisturbed run, made once", flush=True)
    bench = Bench.make(folder)
    started = time.monotonic()
    trials: dict[str, list[Trial]] = {name: [] for name in args.only}
    number = args.first - 1
    while time.monotonic() - started < args.minutes * 60:
        number += 1
        todo = [name for name in args.only if number <= (1 if name in ONCE else CHEAP.get(name, number))]
        if not todo:
            break
        for name in todo:
            if time.monotonic() - started < args.minutes * 60:
                trials[name].append(try_once(bench, name, args.seed, number))
    problems = sum(len(trial.problems) for done in trials.values() for trial in done)
    page = write_report(folder, args.seed, time.monotonic() - started, trials, KINDS)
    print(f"{page}: {problems or 'no'} broken promises in {sum(map(len, trials.values()))} trials", flush=True)
    return 1 if problems else 0


def try_once(bench: Bench, name: str, seed: int, number: int) -> Trial:
    """One trial, and a line about it."""
    began = time.monotonic()
    try:
        trial: Trial = KINDS[name].run(bench, random.Random(f"{seed} {name} {number}"))
    except (OSError, RuntimeError) as error:
        trial = Trial("the trial itself", [f"{type(error).__name__}: {error}"])
    took = get_duration(time.monotonic() - began)
    print(
        f"{name} {number}, {took}: {trial.what}{f' (left out: {trial.skipped})' if trial.skipped else ''}", flush=True
    )
    for problem in trial.problems:
        print(f"  BROKEN {problem}", flush=True)
    return trial


def split(text: str) -> list[str]:
    """Names of kinds."""
    names = text.split(",")
    if unknown := set(names) - set(KINDS):
        raise argparse.ArgumentTypeError(f"no such kind: {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    exit_with_help(main)
