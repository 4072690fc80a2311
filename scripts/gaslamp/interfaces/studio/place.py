"""What the studio shows: the projects of a clone and new ones, or one project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gaslamp.config.pin import RECORD
from gaslamp.config.projects import list_projects

STATE = ".studio"


@dataclass(frozen=True)
class Place:
    """Where the studio works.

    Attributes:
        projects: the folder with the projects, of a clone; for one project the folder that holds it.
        repository: makes new projects; None: this studio is that of one project.
        only: the one project; None in a clone.
    """

    projects: Path
    repository: Path | None = None
    only: Path | None = None

    @property
    def state(self) -> Path:
        """Folder of what the studio itself keeps: its key, drafts of new projects, files on their way."""
        return (self.only / "outputs" if self.only else self.projects) / STATE

    def list(self) -> list[Path]:
        """The projects, the one that was worked on last first."""
        return [self.only] if self.only else list_projects(self.projects)

    def find(self, name: str) -> Path | None:
        """The project of that name; None when there is none, or when the name is a path."""
        if name != Path(name).name or name in ("", ".", ".."):
            return None
        project = self.projects / name
        if self.only and project.name != self.only.name:
            return None
        return project if (project / RECORD).is_file() else None


def get_clone(repository: Path, projects: Path) -> Place:
    """The studio of a clone."""
    return Place(projects.resolve(), repository=repository)


def get_single(project: Path) -> Place:
    """The studio of one project."""
    project = project.resolve()
    return Place(project.parent, only=project)
