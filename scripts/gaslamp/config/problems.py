"""What no single key can check: names and files that must exist, settings that do not fit together.

Each room checks the settings that it reads, in ``<room>/config_check.py`` with
``find_problems(config, root) -> list[Problem]``; the registry finds those files by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gaslamp.config.schema import Config
from gaslamp.core import registry


class Problem(NamedTuple):
    """One problem of a config."""

    path: tuple[str, ...]
    """The key, from the top level down."""
    message: str


def find_problems(config: Config, root: Path) -> list[Problem]:
    """The problems that all rooms find.

    Args:
        config: its single values are valid.
        root: the project folder that relative paths start from.
    """
    rooms = registry.get_room_modules("config_check")
    return [problem for room in rooms for problem in room.find_problems(config, root)]
