"""Files that a browser sends: bounded, under a safe name, never over another file."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

from gaslamp.core.console import get_size
from gaslamp.core.errors import GaslampError
from gaslamp.environment.hardware import get_disk_free
from gaslamp.guide.answers import get_safe_name

MOST_BYTES = 4_000_000_000
SPARE_BYTES = 1_000_000_000  # of the disk that an upload leaves free
LONGEST_NAME = 120
OLD = 7 * 86400.0  # seconds after which a file that no project took is removed
ID = re.compile(r"[0-9a-f]{16}")


def make_id() -> str:
    """A name that nobody guesses, for a draft or an upload."""
    return secrets.token_hex(8)


def shorten_name(name: str) -> str:
    """A file name that is safe and not too long; its endings stay."""
    safe = get_safe_name(name.replace("\\", "/"))
    if len(safe) <= LONGEST_NAME:
        return safe
    ending = "".join(Path(safe).suffixes[-2:])[-20:]
    return safe[: LONGEST_NAME - len(ending)] + ending


def check_size(length: str, folder: Path) -> None:
    """Refuse a file that is too large before its first byte is read.

    Args:
        length: the header Content-Length.
        folder: where it would go.

    Raises:
        GaslampError: it is too large, or the disk too full.
    """
    size = int(length) if length.isascii() and length.isdigit() else 0
    if size > MOST_BYTES:
        raise GaslampError(
            f"the file has {get_size(size)}; a browser may send {get_size(MOST_BYTES)}",
            "type its path instead: then it is read where it is",
        )
    folder.mkdir(parents=True, exist_ok=True)
    free = get_disk_free(str(folder)) * 1e9
    if size + SPARE_BYTES > free:
        raise GaslampError(
            f"the file has {get_size(size)}, and the disk has {get_size(free)} left",
            "make room on the disk",
            "type its path on another disk",
        )


async def receive(chunks: AsyncIterator[bytes], target: Path) -> Path:
    """Write what a browser sends to ``target``; nothing is left of a file that did not arrive as a whole.

    Args:
        chunks: the body of the request.
        target: must not exist; its folder is made.

    Raises:
        GaslampError: a file of that name is there, it is too large, or it is empty.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise GaslampError(f"there is a file {target.name} already", "give the new one another name")
    partial = target.with_name(f".{target.name[:80]}.{secrets.token_hex(4)}.part")
    written = 0
    try:
        with partial.open("xb") as handle:
            async for chunk in chunks:
                written += len(chunk)
                if written > MOST_BYTES:
                    raise GaslampError(
                        f"the file is larger than {get_size(MOST_BYTES)}",
                        "type its path instead: then it is read where it is",
                    )
                handle.write(chunk)
        if not written:
            raise GaslampError(f"{target.name} is empty (0 bytes)", "choose a file that contains rows")
        try:
            os.link(partial, target)  # unlike a rename it never replaces a file that another tab sent meanwhile
        except FileExistsError:
            raise GaslampError(f"there is a file {target.name} already", "give the new one another name") from None
        except OSError:  # a file system without hard links
            os.rename(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def find_upload(folder: Path, name: str) -> Path | None:
    """The file that was sent under this id; None when there is none (any more)."""
    if not ID.fullmatch(name):
        return None
    return next((path for path in sorted((folder / name).glob("*")) if not path.name.startswith(".")), None)


def remove_old(folder: Path) -> None:
    """Remove files that were sent and never became a project's."""
    for path in folder.glob("*"):
        if ID.fullmatch(path.name) and time.time() - path.stat().st_mtime > OLD:
            shutil.rmtree(path, ignore_errors=True)
