"""What an agent may name: files of the project and settings that are values. Nothing outside, and no program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from gaslamp.core.document import ErrorDocument
from gaslamp.interfaces.mcp.commands import CommandFailed, fail

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
"""Of a run, a profile, a method, a machine."""
Words = Annotated[str, Field(pattern=r"^[A-Za-z0-9_, -]{1,200}$")]
"""Several names."""
Key = Annotated[str, Field(pattern=r"^(method|(data|train|eval|export)\.[a-z_]+(\.[a-z_]+)*)$")]
"""A config key that may be tried."""
Value = bool | int | float | Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]{0,100}$")]
"""What it may be tried with: a number or a name. A path could name a file elsewhere, or a program."""
Text = Annotated[str, Field(min_length=1, max_length=20_000)]
LONGEST_SOURCE = 1000  # letters
SCHEMES = ("embedded:", "hub:")


def get_source(project: Path, source: str) -> str:
    """A data source that an agent may look at: in the project, embedded, or a set of the hub.

    Args:
        project: its folder.
        source: as in ``data.source``.

    Raises:
        CommandFailed: it is somewhere else, or no path at all.
    """
    if "\0" in source or len(source) > LONGEST_SOURCE:
        raise fail(
            "source is no path: it is too long, or holds a NUL character", "name a file of the project", "source"
        )
    if source.startswith(SCHEMES):
        is_inside = ".." not in source
    else:
        try:
            place = (project.resolve() / source).resolve()
            place.exists()  # a name that is too long is one only here
        except (OSError, ValueError, RuntimeError) as error:
            raise fail(f"source cannot be looked up: {error}", "name a file of the project", "source") from error
        is_inside = "://" not in source and not source.startswith("~") and place.is_relative_to(project.resolve())
    if not is_inside:
        raise CommandFailed(
            ErrorDocument(
                error=f"{source} is outside the project: this server reads only the files of {project.resolve().name}",
                fixes=[
                    "the person copies it to data/raw",
                    "hub:owner/name is a set of the hub, embedded:NAME a sample",
                ],
                where=source,
            )
        )
    return source


def write_settings(settings: dict[str, Value]) -> list[str]:
    """Settings to try as the one option of `make plan`."""
    pairs = [f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in settings.items()]
    return [f"--set={'; '.join(pairs)}"] if pairs else []
