"""What the data phase checks in the config before anything runs: the source, the format, the splits."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.problems import Problem
from gaslamp.config.schema import Config
from gaslamp.core import registry
from gaslamp.data.generation.problems import find_generate_problems
from gaslamp.data.source_names import GENERATED, WAITING, get_no_data, has_data, is_hub_id, split_part


def find_problems(config: Config, root: Path) -> list[Problem]:
    """Problems of the section ``data``; ``root`` is the folder that relative paths start from."""
    problems = []
    waits = config.data.generate.rows and config.data.source == GENERATED  # the rows are still to be written
    if not waits and (message := _find_source_problem(config.data.source, root)):
        problems.append(Problem(("data", "source"), message))
    if config.data.format != "auto" and (message := registry.find_name_problem("formats", config.data.format)):
        problems.append(Problem(("data", "format"), f"{message}, or auto"))
    if config.data.split.valid + config.data.split.test > 0.9:
        message = "valid and test together take more than 0.9 of the rows: too few are left to train on"
        problems.append(Problem(("data", "split"), message))
    return [*problems, *find_generate_problems(config, root)]


def _find_source_problem(source: str, root: Path) -> str | None:
    if source.startswith("embedded:"):
        return registry.find_name_problem("embedded", source.removeprefix("embedded:"))
    if is_hub_id(source, root):
        return None
    path, _ = split_part(source, root)
    if not path.exists():
        if source == GENERATED:
            return f"{source} is written by a model: set data.generate.rows, then make generate"
        raw = [file for file in sorted((root / "data" / "raw").glob("*")) if not file.name.startswith(".")]
        names = ", ".join(file.relative_to(root).as_posix() for file in raw[:5])
        hint = f"; data/raw holds {names}: make data takes it up" if raw else ""
        return f"{source}: no such file or folder (looked in {root.resolve()}){hint}"
    if path.is_file() and path.stat().st_size == 0:
        return f"{source} is empty (0 bytes)"
    if path.is_dir() and root.resolve().is_relative_to(path.resolve()):
        return f"the folder {source} holds this project itself: put the data into a folder of its own, such as data/raw"
    if path.is_dir() and not has_data(path):
        if (root / WAITING).is_file() and path.resolve() == (root / WAITING).parent.resolve():
            problem = get_no_data(root)
            return f"{problem.cause}; {problem.fix}"
        return f"the folder {source} has no files"
    return None
