"""Where the facts of the other machine stand here, and what the project's folder there is called."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from datetime import datetime
from pathlib import Path

from gaslamp.core.console import get_duration
from gaslamp.core.files import sha256_text, write_text
from gaslamp.core.liveness import LEASE

FOLDER = LEASE.parent


def get_folder_name(project: Path) -> str:
    """The name of the project's folder over there: its own name, and a mark of this project alone.

    The place here is not enough: on two computers, or in two containers, a project may have the same one, and the
    second would end the training of the first. A copy of the folder has the number of the original, at another place.
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", project.name)[:80].strip("-.") or "project"
    return f"{name}-{sha256_text(f'{project.resolve()} {_get_number(project)}')[:8]}"


def _get_number(project: Path) -> str:
    """A random number, drawn once for a project."""
    file = project / FOLDER / "number"
    if not file.is_file():
        own = file.with_name(f".number.{uuid.uuid4().hex}")
        write_text(own, uuid.uuid4().hex)
        with contextlib.suppress(FileExistsError):  # another step was first: one number for both
            os.link(own, file)
        own.unlink()
    return file.read_text(encoding="utf-8")


def get_used(started: str) -> str:
    """How long ago ``started`` (ISO 8601) was: ``1 h 12 min``."""
    return get_duration(max((datetime.now().astimezone() - datetime.fromisoformat(started)).total_seconds(), 0))
