"""What the export checks in the config before anything runs."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.problems import Problem
from gaslamp.config.schema import Config

ALONE = ("adapter", "lora_gguf")
"""What is shipped as an adapter, for a base model that its user has."""


def find_problems(config: Config, root: Path) -> list[Problem]:
    """Problems of the section ``export``."""
    levels, problems = config.export.levels, []
    if len(set(levels)) != len(levels):
        problems.append(Problem(("export", "levels"), f"a level is listed twice: {', '.join(levels)}"))
    if config.model.adapter:
        why = "an adapter of this run belongs to what was merged before it, which is on this machine alone"
        for path, names in (
            (("export", "formats"), config.export.formats),
            (("export", "hub", "files"), config.export.hub.files if "hub" in config.export.formats else []),
        ):
            if found := [name for name in names if name in ALONE]:
                problems.append(Problem(path, f"{why}: put merged or gguf in place of {', '.join(found)}"))
    return problems
