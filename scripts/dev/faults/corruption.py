"""Damage to any file that a run leaves, followed by the same command."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from faults.bench import Bench, Trial, check_output

ABOUT = "files that a run leaves, cut to half, one bit flipped, emptied, deleted; then the same command"
WHOSE = ("data/raw", "scripts", "rules", "profiles", "workflow", "docs", "methods")
"""Folders of the person and of the pinned copy: what is in them is input."""
KEPT = ("config.yaml", "Makefile", "pyproject.toml", ".gaslamp.json", "README.md", "AGENTS.md")
MOST = 5


def run(bench: Bench, random: random.Random, names: Sequence[str] = ()) -> Trial:
    """One finished run with up to MOST damaged files: one command makes all of them good, and a second has no work.

    Args:
        bench: with the finished run.
        random: decides files and damage.
        names: the files, as paths in the project; without them any that the run wrote.
    """
    with bench.copy("corruption") as project:
        files = [project / name for name in names]
        files = files or choose(list_files(project), random)
        ways = [random.choice(list(WAYS)) for _ in files]
        damage = [f"{file.relative_to(project).as_posix()} {way}" for file, way in zip(files, ways, strict=True)]
        trial = Trial("; ".join(damage), faults=len(files))
        for file, way in zip(files, ways, strict=True):
            WAYS[way](file, random)
        bench.finish(project, trial)
        if not trial.problems:
            again = bench.run(project)
            check_output(again, trial, must_end_well=True)
            if "Nothing to be done" not in again.stdout:
                trial.problems.append("the command after that finds work again")
        return trial


def choose(files: list[Path], random: random.Random) -> list[Path]:
    """Up to MOST of the files, three of four among results: there are more logs and records of tools than those."""
    results = [file for file in files if not {".snakemake", ".gaslamp", "logs"} & set(file.parts)]
    others = [file for file in files if file not in results]
    count = random.randint(1, MOST)
    wanted = min(len(results), sum(random.random() < 0.75 for _ in range(count)))
    return [*random.sample(results, wanted), *random.sample(others, min(len(others), count - wanted))]


def list_files(project: Path) -> list[Path]:
    """Every file that a run wrote."""
    found = []
    for file in sorted(project.rglob("*")):
        name = file.relative_to(project).as_posix()
        own = name.startswith(tuple(f"{folder}/" for folder in WHOSE)) or name in KEPT or name.endswith("/.gitkeep")
        if file.is_file() and not own and file.resolve().is_relative_to(project):
            found.append(file)
    return found


def flip(file: Path, random: random.Random) -> None:
    """Another bit in one byte."""
    data = bytearray(file.read_bytes())
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    file.write_bytes(data)


WAYS: dict[str, Callable[[Path, random.Random], object]] = {
    "cut to half": lambda file, random: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "with a flipped bit": flip,
    "emptied": lambda file, random: file.write_bytes(b""),
    "deleted": lambda file, random: file.unlink(),
}
