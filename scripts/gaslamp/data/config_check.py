"""What the data phase checks in the config before anything runs: the source, the format, the splits."""

from __future__ import annotations

import re
from pathlib import Path

from gaslamp.config.problems import Problem
from gaslamp.config.schema import Config
from gaslamp.core import registry


def find_problems(config: Config, root: Path) -> list[Problem]:
    """Problems of the section ``data``; ``root`` is the folder that relative paths start from."""
    problems = []
    if message := _find_source_problem(config.data.source, root):
        problems.append(Problem(("data", "source"), message))
    if config.data.format != "auto" and (message := registry.find_name_problem("formats", config.data.format)):
        problems.append(Problem(("data", "format"), f"{message}, or auto"))
    if config.data.split.valid + config.data.split.test > 0.9:
        message = "valid and test together take more than 0.9 of the rows: too few are left to train on"
        problems.append(Problem(("data", "split"), message))
    return problems


def _find_source_problem(source: str, root: Path) -> str | None:
    if source.startswith("embedded:"):
        return registry.find_name_problem("embedded", source.removeprefix("embedded:"))
    if _is_hub_set(source, root):
        return None
    path = root / Path(source).expanduser()
    if not path.exists():
        return f"{source}: no such file or folder (looked in {root.resolve()})"
    if path.is_file() and path.stat().st_size == 0:
        return f"{source} is empty (0 bytes)"
    if path.is_dir() and not any(file.is_file() and not file.name.startswith(".") for file in path.rglob("*")):
        return f"the folder {source} has no files"
    return None


def _is_hub_set(source: str, root: Path) -> bool:
    """Whether ``data.source`` is a hub id (org/name, no file ending) and not a path that is missing."""
    if source.startswith("hf://"):
        return True
    return (
        bool(re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w-][\w.-]*", source))
        and not (root / source).exists()
        and not (root / source).parent.is_dir()
        and not Path(source).suffix
    )
