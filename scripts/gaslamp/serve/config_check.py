"""What the server checks in the config before anything runs."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.problems import Problem
from gaslamp.config.schema import Config


def find_problems(config: Config, root: Path) -> list[Problem]:
    """Problems of the section ``deploy``."""
    level, levels = config.deploy.level, config.export.levels
    if level in ("recommended", "f16", *levels):
        return []
    return [Problem(("deploy", "level"), f"'{level}' is not made: export.levels has {', '.join(levels)}")]
