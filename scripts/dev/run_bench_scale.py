"""What a sweep of many points costs besides its trainings (make bench-scale): start, dry run, a run with nothing to do.

A project of the tiny model trains two points for real; their files, under other names, stand for the points of the
larger sweeps. Seconds are of the processor, so that a busy machine measures the same.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import facts as facts_of_tests  # noqa: E402
import tiny  # noqa: E402
from gaslamp.config.slices import load_slice  # noqa: E402
from gaslamp.config.sweep_points import get_sweep_points  # noqa: E402
from gaslamp.config.yaml_file import read_yaml  # noqa: E402
from gaslamp.core.cli import get_parser  # noqa: E402
from gaslamp.core.errors import exit_with_help  # noqa: E402
from gaslamp.core.sweep_contracts import SweepFacts  # noqa: E402

TARGET = "outputs/sweep.json"
LARGEST = 1.0
"""Seconds that the leaderboard may take for 1,000 points."""


class Cost(NamedTuple):
    """Of one command: seconds of the processor, and of the clock; memory of its largest process, in gigabytes."""

    cpu: float
    wall: float
    memory_gb: float
    text: str


def main() -> int:
    parser = get_parser(__doc__)
    parser.add_argument("--points", type=int, nargs="+", default=[10, 100], help="sizes of the sweeps (default 10 100)")
    parser.add_argument("--folder", type=Path, help="keeps the project (default: a new one, deleted)")
    args = parser.parse_args()
    folder = (args.folder or Path(tempfile.mkdtemp(prefix="gaslamp-scale-"))).resolve()
    project = make_project(folder)
    print("points  start s  dry run s  nothing to do s  ms a point  memory GB  leaderboard s", flush=True)
    slow = False
    for count in args.points:
        names = plant(project, count)
        start = measure(project, "--list-rules")
        dry = measure(project, TARGET, "--dry-run", "--quiet", "rules")
        if "Nothing to be done" not in dry.text:
            raise SystemExit(f"planted points are not complete:\n{dry.text[-3000:]}")
        again = measure(project, TARGET)
        page = measure_page(project, names)
        slow |= count >= 1000 and page > LARGEST
        each = 1000 * (again.cpu - start.cpu) / count
        print(
            f"{count:6}  {start.cpu:7.1f}  {dry.cpu:9.1f}  {again.cpu:15.1f}  {each:10.0f}  {again.memory_gb:9.2f}  "
            f"{page:13.2f}",
            flush=True,
        )
    if args.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if slow else 0


def make_project(folder: Path) -> Path:
    """A project with two trained points, made once."""
    made = folder / "made.txt"
    if made.is_file():
        return Path(made.read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    model, data = tiny.write_checkpoint(folder / "tiny-chat"), tiny.write_rows(folder / "notes.csv")
    settings = {**tiny.SETTINGS, "train.max_steps": 10, "sweep.over": {"train.lora.r": [4, 8]}}
    project = tiny.bake(folder / "projects", data, model, settings)
    done = run(project, TARGET)
    if done.returncode:
        raise SystemExit(f"the two points failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    made.write_text(str(project), encoding="utf-8")
    return project


def plant(project: Path, count: int) -> list[str]:
    """Make it a sweep of ``count`` points that are all trained; returns their names."""
    over = {"train.lora.r": [4, 8], "train.learning_rate": [round(1e-5 * n, 8) for n in range(1, count // 2 + 1)]}
    tiny.set_config(project, **{"sweep.over": over})
    names = list(get_sweep_points(read_yaml(project / "config.yaml")))
    for name in names:
        for top in ("outputs", "logs"):
            if not (project / top / name).exists():
                shutil.copytree(project / top / "r4", project / top / name)
    done = run(project, "--touch", TARGET)
    if done.returncode:
        raise SystemExit(f"the points could not be planted:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return names


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program itself, without a warm process."""
    return tiny.run(tiny.SNAKEMAKE, "--profile", "cpu", *arguments, cwd=project, timeout=3600)


def measure(project: Path, *arguments: str) -> Cost:
    """What a command of Snakemake takes."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    out = project.parent / "measured.txt"
    with out.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            [str(tiny.SNAKEMAKE), "--profile", "cpu", *arguments],
            cwd=project,
            env=tiny.get_environ(project.parent / "gaslamp_home"),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    text = out.read_text(encoding="utf-8", errors="replace")
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"snakemake {' '.join(arguments)} failed:\n{text[-3000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, wall, used.ru_maxrss / 1024**2, text)


def measure_page(project: Path, names: list[str]) -> float:
    """Seconds of the processor for the leaderboard of these points."""
    from gaslamp.report.sweep.page import render_sweep

    facts = SweepFacts.read(project / TARGET)
    one = facts.points[0]
    points = [
        one.model_copy(update={"run": name, "score": n / len(names), "kept": n == 0}) for n, name in enumerate(names)
    ]
    facts_of_tests.compare().write(project / "outputs" / names[0] / "eval/compare.json")
    settings = load_slice([project / "config.yaml"], ["project.name"])
    whole = facts.model_copy(update={"points": points})
    render_sweep(whole, settings, project)  # imports
    started = time.process_time()
    page = render_sweep(whole, settings, project)
    if page.count("<title>") < len(names):
        raise SystemExit("the leaderboard misses points")
    return time.process_time() - started


if __name__ == "__main__":
    exit_with_help(main)
