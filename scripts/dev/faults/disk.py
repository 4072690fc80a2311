"""A full disk, and folders that may not be written or read."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tiny

from faults.bench import Bench, Trial, check_output

ABOUT = "a disk that runs full in the middle of a run, and read-only or unreadable folders"
ROOM = 40_000_000
"""Bytes that a cut run writes, about."""
FOLDERS = ("data", "outputs", "outputs/main", "logs", "logs/main", ".snakemake", ".gaslamp", "checkpoints", "resources")
NO_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Root without the right to pass over the modes of files; any other user has none."""


def run(bench: Bench, random: random.Random) -> Trial:
    """One run with a full disk, or with a folder that is closed to it."""
    return run_full(bench, random) if random.random() < 0.6 else run_closed(bench, random)


def run_full(bench: Bench, random: random.Random) -> Trial:
    """On a small disk of its own: the run stops with the cause, and goes on when there is room."""
    room = random.randint(0, ROOM)
    with mount() as disk:
        if disk is None:
            return Trial("a full disk", faults=0, skipped="mounting a tmpfs needs root")
        project = tiny.copy_project(bench.base, disk)
        trial = Trial(f"from {bench.cut(project, random)} on, {room / 1e6:.1f} MB left")
        used = sum(file.lstat().st_blocks * 512 for file in disk.rglob("*"))
        resize(disk, used + room)
        done = bench.run(project)
        check_output(done, trial, must_end_well=False)
        if done.returncode and "No space left" not in done.stdout and "usual fix" not in done.stdout:
            trial.problems.append(f"does not say that the disk is full: {done.stdout[-500:]}")
        resize(disk, used + 20 * ROOM)
        bench.finish(project, trial)
        return trial


def run_closed(bench: Bench, random: random.Random) -> Trial:
    """One folder is closed: the run stops with the cause, and goes on when it is opened."""
    if os.geteuid() == 0 and not shutil.which(NO_RIGHTS[0]):
        return Trial("a closed folder", faults=0, skipped="root passes over the modes of files, and setpriv is missing")
    with bench.copy("disk") as project:
        point = bench.cut(project, random)
        name = random.choice([name for name in FOLDERS if (project / name).is_dir()])
        mode = random.choice((0o500, 0o000))
        trial = Trial(f"from {point} on, {name} has mode {mode:03o}")
        before = (project / name).stat().st_mode
        os.chmod(project / name, mode)
        try:
            done = bench.run(project, prefix=NO_RIGHTS if os.geteuid() == 0 else ())
        finally:
            os.chmod(project / name, before)
        check_output(done, trial, must_end_well=False)
        if done.returncode and "denied" not in done.stdout:
            trial.problems.append(f"does not say what is closed: {done.stdout[-500:]}")
        bench.finish(project, trial)
        return trial


@contextlib.contextmanager
def mount() -> Iterator[Path | None]:
    """A disk in memory; None where this user may not mount one."""
    with tempfile.TemporaryDirectory(prefix="gaslamp-disk-") as name:
        command = ["mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", name]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
            yield None
            return
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)


def resize(disk: Path, size: int) -> None:
    """Give the disk ``size`` bytes."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
