"""Where the facts of the other machine stand here, and what the project's folder there is called."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from gaslamp.core.console import get_duration
from gaslamp.core.files import sha256_text
from gaslamp.core.liveness import LEASE

FOLDER = LEASE.parent


def get_folder_name(project: Path) -> str:
    """The name of the project's folder over there: its own name, and a mark of where it stands here."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", project.name).strip("-.") or "project"
    return f"{name}-{sha256_text(str(project.resolve()))[:8]}"


def get_used(started: str) -> str:
    """How long ago ``started`` (ISO 8601) was: ``1 h 12 min``."""
    return get_duration(max((datetime.now().astimezone() - datetime.fromisoformat(started)).total_seconds(), 0))
