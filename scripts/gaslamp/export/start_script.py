"""Start scripts for servers that are installed elsewhere (vLLM, SGLang): written, and checked without running them."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_text


def write_script(file: Path, command: list[str], key: str, port: int, install: str, more: str) -> None:
    """Write an executable start script.

    It changes to its own folder, requires an API key in the environment, and replaces itself by the server.

    Args:
        file: the script.
        command: of the server; every part is quoted.
        key: environment variable of the API key.
        port: default port.
        install: command that installs the server, for the comment.
        more: shell text after the command, with variables.
    """
    lines = [
        "#!/bin/sh",
        f"# Serves the model on 127.0.0.1:{port} with an OpenAI-compatible API. Install first: {install}",
        f"# {key}=<a secret of yours> PORT={port} sh {file.name}",
        "set -eu",
        'cd "$(dirname "$0")"',
        f': "${{{key}:?set it to a secret: whoever has it may use the model}}"',
        f"export {key}",
        f"exec {shlex.join(command)} {more}",
    ]
    write_text(file, "\n".join(lines) + "\n")
    file.chmod(0o755)


def find_script_problems(file: Path) -> list[str]:
    """What is wrong with a start script: its syntax, or a relative path in it that does not exist."""
    done = subprocess.run(["sh", "-n", str(file)], capture_output=True, text=True, check=False)
    problems = [f"{file}: {done.stderr.strip()}"] if done.returncode else []
    for path in re.findall(r"(?:^|[ =])(\.\.?/[\w./-]+)", file.read_text(encoding="utf-8")):
        if not (file.parent / path).exists():
            problems.append(f"{file}: {path} does not exist")
    return problems


def verify_scripts(folder: Path) -> None:
    """Check every start script of a folder.

    Raises:
        GaslampError: one does not parse, or names a file that does not exist.
    """
    problems = [problem for file in sorted(folder.glob("*.sh")) for problem in find_script_problems(file)]
    if problems:
        raise GaslampError("; ".join(problems), "run snakemake again: it rebuilds what is missing")
