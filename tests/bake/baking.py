"""Call the real cookiecutter command as a person would, with a home folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = "cookiecutter-template"
Bake = Callable[..., "Baked"]


class Baked:
    """What the command printed and the project it made, if any."""

    def __init__(self, done: subprocess.CompletedProcess[str], folder: Path) -> None:
        self.code, self.output, self.folder = done.returncode, done.stdout, folder

    @property
    def project(self) -> Path:
        found = [path for path in self.folder.iterdir() if path.is_dir()]
        assert len(found) == 1, f"{found}\n{self.output}"
        return found[0]


def get_environ(home: Path) -> dict[str, str]:
    """An environment whose caches and memory are those of a new user; git and make find their programs."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("GASLAMP_", "COOKIECUTTER", "MAKE", "SNAKEMAKE", "PYTHONPATH"))
    }
    own = {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    return {**kept, **own, "NO_COLOR": "1", "COLUMNS": "200", "HF_HUB_OFFLINE": "1"}


def run(
    *command: str | Path, cwd: Path, home: Path, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with stdout and stderr together."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**get_environ(home), **variables},
        input=stdin,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )


def bake_in(
    folder: Path,
    home: Path,
    *options: str,
    source: str | Path = ROOT,
    cwd: Path | None = None,
    stdin: str = "",
    **variables: str,
) -> Baked:
    """Call cookiecutter as a person would; without ``stdin`` it asks nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    quiet = [] if stdin else ["--no-input"]
    command = [
        sys.executable,
        "-m",
        "cookiecutter",
        str(source),
        "--directory",
        TEMPLATE,
        *quiet,
        "--output-dir",
        str(folder),
        *options,
    ]
    return Baked(run(*command, cwd=cwd or folder, home=home, stdin=stdin, **variables), folder)
