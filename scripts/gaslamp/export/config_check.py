"""What the export checks in the config before anything runs."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.problems import Problem
from gaslamp.config.schema import Config


def find_problems(config: Config, root: Path) -> list[Problem]:
    """Problems of the section ``export``."""
    levels = config.export.levels
    if len(set(levels)) == len(levels):
        return []
    return [Problem(("export", "levels"), f"a level is listed twice: {', '.join(levels)}")]
