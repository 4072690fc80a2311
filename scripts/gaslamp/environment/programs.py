"""Programs on this machine: found on the PATH, and what short calls of them print.

Standard library only and no syntax newer than Python 3.8: this runs before anything is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path


def _run(command: tuple[str, ...], stderr: int, timeout: int) -> tuple[int, str]:
    """Exit code and output of a command; -1 and nothing when it cannot run or takes over ``timeout`` seconds."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=stderr, stdin=subprocess.DEVNULL, timeout=timeout, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return -1, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")


def run_text(*command: str) -> str:
    """The output of a short command; empty when the program is missing, fails, or takes more than 20 s."""
    code, output = _run(command, subprocess.DEVNULL, 20)
    return "" if code else output.strip()


def run_verbose(*command: str) -> str:
    """Output and errors of a short command, whatever its exit code; empty when it cannot run or takes over 60 s."""
    return _run(command, subprocess.STDOUT, 60)[1]


def read_system_file(path: str) -> str:
    """The text of a small system file; empty when this system has none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def find_program(*names: str) -> str | None:
    """The first of ``names`` on the PATH or in this Python's bin folder (wheels such as cmake put theirs there)."""
    search = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.prefix) / "bin")])
    return next((path for path in (shutil.which(name, path=search) for name in names) if path), None)


def get_llama_version(server: str | Path) -> str:
    """The build number that ``llama-server --version`` prints, for example ``11434``; empty when it prints none."""
    # "version: 0.5.0 (build 11434, commit ...)" since llama.cpp 0.5, "version: 9672 (...)" before it
    match = re.search(r"\(build (\d+)|^version: (\d+) \(", run_verbose(str(server), "--version"), re.MULTILINE)
    return (match.group(1) or match.group(2)) if match else ""
