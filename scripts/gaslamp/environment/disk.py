"""Disk space: whether what a run writes fits, on the project's disk and on that of the caches."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gaslamp.core.files import get_cache_dir
from gaslamp.environment.findings import Problem
from gaslamp.environment.hardware import get_disk_free

CACHED = ("model", "start", "toolchain")
"""Parts of a run's disk space that go to the caches of the user, which may be on another disk than the project."""


def find_disk_problems(disk: dict[str, float], free: float) -> list[Problem]:
    """The disks that are too small.

    Args:
        disk: part -> GB.
        free: GB that are free on the project's disk.
    """
    cache = get_cache_dir()
    while not cache.exists():
        cache = cache.parent
    shared = {name: size for name, size in disk.items() if name in CACHED}
    own = {name: size for name, size in disk.items() if name not in shared}
    places = {"this project": (own, free, "."), "the gaslamp cache": (shared, get_disk_free(cache), str(cache))}
    if cache.stat().st_dev == Path(".").stat().st_dev:
        places = {"this project and the gaslamp cache": (disk, free, ".")}
    problems = []
    for name, (parts, space, place) in places.items():
        need = sum(parts.values())
        if need > space:
            largest_first = sorted(parts.items(), key=lambda part: -part[1])
            listed = ", ".join(f"{part} {size:.2f}" for part, size in largest_first)
            problems.append(
                Problem(
                    f"{name} needs {need:.1f} GB of disk ({listed}); "
                    f"{space:.1f} GB are free in {Path(place).resolve()}",
                    "free disk space, make fewer export.levels, or put the cache elsewhere "
                    "(GASLAMP_CACHE=/path, HF_HOME=/path)",
                )
            )
    return problems


def find_write_problem(folder: Path) -> Problem | None:
    """Why nothing can be written in ``folder`` (it is created when missing); ``None`` when it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return Problem(
            f"cannot write in {folder}: {error.strerror}",
            f"make it writable (chmod u+w '{folder}'), or choose another place",
        )
