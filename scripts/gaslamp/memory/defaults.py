"""The defaults of the settings that a recipe may set, and which recipes fit a project that nobody has applied yet."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.schema import Config
from gaslamp.core.errors import GaslampError
from gaslamp.memory.apply import list_matching, write_settings
from gaslamp.memory.history import flatten


def get_defaults() -> dict[str, object]:
    """Config key -> default, for the keys that a recipe may set."""
    config = Config().model_dump()
    return {key: value for name in ("train", "data", "eval") for key, value in flatten(config[name], name).items()}


def get_notes(project: Path, home: Path) -> list[str]:
    """A line for each recipe that fits the project and would change a default; a memory that cannot be read is said.

    Args:
        project: folder of the project.
        home: the memory folder.
    """
    try:
        text, matching, _ = list_matching(project, home, None)
        _, records, _ = write_settings(text, matching, get_defaults())
    except GaslampError as error:
        return [f"note: {error.cause}"]
    return [
        f"note: memory: {record['title']} ({record['source']}) fits this project and is not applied: "
        + ", ".join(f"{each['key']}: {each['value']}" for each in record["settings"])
        + "; make memory APPLY=1 applies it"
        for record in records
    ]
