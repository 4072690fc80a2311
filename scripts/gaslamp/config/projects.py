"""The projects of a repository: which one a command in the repository's root acts on."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.pin import RECORD
from gaslamp.core.errors import GaslampError


def find_project(folder: Path, name: str | None = None) -> Path:
    """The project that a command acts on.

    Args:
        folder: where the projects are, ``projects/`` of the repository.
        name: name of a project in ``folder``, or a path to one; ``None``: the newest.

    Raises:
        GaslampError: there is no such project, or none at all.
    """
    if name is None:
        return _find_newest(folder)
    for place in (folder / name, Path(name).expanduser()):
        if (place / RECORD).is_file():
            return place
    known = ", ".join(project.name for project in list_projects(folder)) or "none yet"
    raise GaslampError(
        f"PROJECT={name} is no project: neither {folder / name} nor {name} has a {RECORD}",
        f"name one of {folder}: {known}",
        "give the path of a project that is elsewhere",
    )


def list_projects(folder: Path) -> list[Path]:
    """The projects in ``folder``, the one that was worked on last first."""
    found = [record.parent for record in folder.glob(f"*/{RECORD}")]
    return sorted(found, key=_get_last_change, reverse=True)


def _find_newest(folder: Path) -> Path:
    projects = list_projects(folder)
    if not projects:
        raise GaslampError(f"there is no project in {folder} yet", "make run makes one, make new one of your own data")
    return projects[0]


def _get_last_change(project: Path) -> float:
    """When a project was generated, configured or worked on last (seconds since 1970)."""
    files = [project / name for name in (RECORD, "config.yaml", "logs/phases.jsonl")]
    return max(file.stat().st_mtime for file in files if file.is_file())
