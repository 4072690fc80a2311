"""The pinned copy in a generated project: which files it has, and whether they are as they were generated.

Standard library only: the hooks of cookiecutter-template/ run it with whatever Python runs cookiecutter.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, sha256_path

PINNED = ("workflow", "rules", "scripts", "profiles", "docs")
"""The folders that a project has a copy of."""
FOR_MAINTAINERS = ("dev", "architecture.md", "decisions.md")
AGENTS = "AGENTS.md"
"""Made with the project from its Makefile and rules."""
RECORD = ".gaslamp.json"
"""How the project was made; in its folder."""


class Record(TypedDict):
    """The content of .gaslamp.json."""

    schema_version: int
    version: str  # of gaslamp
    source: str  # path or git URL of the repository
    created: str  # ISO 8601
    upgraded: NotRequired[str]
    answers: dict[str, str]  # question -> the user's answer
    files: dict[str, str]  # path relative to the project -> sha256
    wanted: NotRequired[dict[str, str]]  # lines of the plan that the user set
    plan: NotRequired[dict[str, Any]]  # guide.plan.PlanFacts
    reconfigured: NotRequired[str]


def skip(folder: str, names: list[str]) -> set[str]:
    """Those of ``names`` that are never pinned: hidden files, maintainers' tools and pages, what Python compiled,
    what pip wrote.
    """
    return {
        name
        for name in names
        if name in ("__pycache__", *FOR_MAINTAINERS) or name.startswith(".") or name.endswith((".pyc", ".egg-info"))
    }


def get_pin(project: Path) -> dict[str, str]:
    """sha256 of every pinned file in ``project``, of its Makefile and of AGENTS.md, by path relative to it."""
    files = [project / name for name in ("Makefile", AGENTS) if (project / name).is_file()]
    for name in PINNED:
        for folder, folders, names in os.walk(project / name):
            skipped = skip(folder, folders + names)
            folders[:] = [name for name in folders if name not in skipped]
            files += [Path(folder, name) for name in names if name not in skipped]
    return {file.relative_to(project).as_posix(): sha256_path(file) for file in sorted(files)}


def check_pin(project: Path) -> dict[str, list[str]]:
    """What differs from the record: ``edited``, ``missing``, and ``added`` files (your own plug-ins, which is fine)."""
    pinned, found = read_record(project)["files"], get_pin(project)
    return {
        "edited": [name for name in pinned if name in found and found[name] != pinned[name]],
        "missing": [name for name in pinned if name not in found],
        "added": [name for name in found if name not in pinned],
    }


def read_record(project: Path) -> Record:
    """How the project was made.

    Raises:
        GaslampError: the folder is not a generated project.
    """
    if not (project / RECORD).is_file():
        raise GaslampError(
            f"{project.resolve()} is not a generated project: it has no {RECORD}", "run this in a project folder"
        )
    record: Record = read_json(project / RECORD)
    return record


def is_behind(project: Path, root: Path) -> bool:
    """Whether the rules or the code of the repository in ``root`` differ from those pinned in ``project``."""

    def get_code(files: dict[str, str]) -> dict[str, str]:
        return {name: digest for name, digest in files.items() if "/" in name and not name.startswith("docs/")}

    return get_code(read_record(project)["files"]) != get_code(get_pin(root))
