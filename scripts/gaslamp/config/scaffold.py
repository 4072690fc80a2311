"""A generated project and its pinned copy of the rules and the code: made, compared, upgraded.

Standard library only: the hooks of cookiecutter-template/ run it with whatever Python runs cookiecutter.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from gaslamp import __version__
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, sha256_path, write_json

PINNED = ("workflow", "rules", "scripts", "profiles")
RECORD = ".gaslamp.json"
TEMPLATE = "cookiecutter-template"


def _skip(folder: str, names: list[str]) -> set[str]:
    """Names that never go into a pinned copy: hidden files, what Python compiled, what pip wrote."""
    return {
        name
        for name in names
        if name in ("__pycache__", "dev") or name.startswith(".") or name.endswith((".pyc", ".egg-info"))
    }


def get_pin(project: Path) -> dict[str, str]:
    """sha256 of every file of the pinned copy in ``project``, and of its Makefile, by relative path."""
    files = [project / "Makefile"] if (project / "Makefile").is_file() else []
    for name in PINNED:
        for folder, folders, names in os.walk(project / name):
            skipped = _skip(folder, folders + names)
            folders[:] = [name for name in folders if name not in skipped]
            files += [Path(folder, name) for name in names if name not in skipped]
    return {file.relative_to(project).as_posix(): sha256_path(file) for file in sorted(files)}


def finish_project(project: Path, root: Path, source: str, answers: dict[str, str], data: str) -> None:
    """The work of the post-generation hook: pin the code, bring the data, link profiles and environment, record it all.

    Args:
        project: the folder that cookiecutter has just written.
        root: the repository that holds the template.
        source: what the user gave cookiecutter (path or git URL), made absolute; ``make upgrade`` asks it again.
        answers: the user's own, by question.
        data: absolute path of the user's data, or empty for an embedded set.

    Raises:
        GaslampError: a file cannot be copied.
    """
    try:
        for name in PINNED:
            shutil.copytree(root / name, project / name, ignore=_skip, copy_function=_copy)
        if data:
            target = project / "data" / "raw" / get_safe_name(data)
            shutil.copytree(data, target) if Path(data).is_dir() else shutil.copy2(data, target)
    except (OSError, shutil.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)[:300]
        raise GaslampError(
            f"cannot make the project: {reason} ({getattr(error, 'filename', None) or data or root})",
            "mend that, then run cookiecutter again",
        ) from error
    link_profiles(project)
    link_environment(project)
    created = datetime.now().astimezone().isoformat(timespec="seconds")
    record = {"schema_version": 1, "version": __version__, "source": source, "created": created, "answers": answers}
    write_json(project / RECORD, {**record, "files": get_pin(project)})


def _copy(source: str, target: str) -> None:
    """Copy a file so that its owner may write the copy: the repository may be read-only."""
    shutil.copy2(source, target)
    os.chmod(target, os.stat(target).st_mode | 0o200)


def link_profiles(project: Path) -> None:
    """``cpu -> profiles/cpu`` and so on: Snakemake looks for a bare profile name in the working folder."""
    for profile in sorted((project / "profiles").iterdir()):
        if (profile / "config.yaml").is_file() and not (project / profile.name).exists():
            (project / profile.name).symlink_to(Path("profiles") / profile.name)


def link_environment(project: Path) -> bool:
    """Let ``.venv`` in the project be the environment of this Python, when it can run the workflow; tell whether it is."""
    prefix = Path(sys.prefix)
    is_own = sys.prefix != sys.base_prefix or (prefix / "conda-meta").is_dir()
    can_run = all(importlib.util.find_spec(name) for name in ("snakemake", "torch", "pydantic"))
    if not (is_own and can_run and (prefix / "bin" / "snakemake").is_file()):
        return False
    (project / ".venv").symlink_to(prefix)
    return True


def get_safe_name(path: str) -> str:
    """The file name of ``path`` with nothing that a rule could take for a wildcard, an option or a hidden file."""
    return re.sub(r"[^\w.-]+", "_", Path(path).name).lstrip(".-") or "data"


def check_pin(project: Path) -> dict[str, list[str]]:
    """What differs from the record: ``edited``, ``missing``, ``added`` (own plug-ins: fine)."""
    pinned, found = read_record(project)["files"], get_pin(project)
    return {
        "edited": [name for name in pinned if name in found and found[name] != pinned[name]],
        "missing": [name for name in pinned if name not in found],
        "added": [name for name in found if name not in pinned],
    }


def read_record(project: Path) -> dict[str, Any]:
    """What .gaslamp.json says of how the project was made: version, source, answers, files with their hashes.

    Raises:
        GaslampError: the folder is no generated project.
    """
    if not (project / RECORD).is_file():
        raise GaslampError(
            f"{project.resolve()} is not a generated project: it has no {RECORD}", "run this in a project folder"
        )
    record: dict[str, Any] = read_json(project / RECORD)
    return record


def bake(source: str, answers: dict[str, str], folder: Path) -> Path:
    """A fresh project in ``folder`` from the same answers without the data: only its pinned files are wanted.

    Raises:
        GaslampError: cookiecutter cannot generate from ``source``.
    """
    command = [
        sys.executable,
        "-m",
        "cookiecutter",
        source,
        "--directory",
        TEMPLATE,
        "--no-input",
        "--output-dir",
        str(folder),
    ]
    command += [f"task={quote_for_jinja(answers['task'])}"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    found = [path for path in folder.iterdir() if (path / RECORD).is_file()]
    if done.returncode or len(found) != 1:
        raise GaslampError(
            f"cannot generate from {source}: {done.stdout.strip()[-400:]}",
            "give the repository's place: make upgrade FROM=<path or git URL>",
            "cookiecutter is missing in this environment: make setup",
        )
    return found[0]


def quote_for_jinja(text: str) -> str:
    """A template that renders to ``text``: cookiecutter renders the answers of its command line, and only those."""
    letters = [char if char.isascii() and (char.isalnum() or char == " ") else f"\\U{ord(char):08x}" for char in text]
    return '{{ "' + "".join(letters) + '" }}'


def is_behind(project: Path, root: Path) -> bool:
    """Whether the repository's rules or code are others than those pinned in ``project``."""
    pinned = read_record(project)["files"]
    return {**get_pin(root), "Makefile": ""} != {**pinned, "Makefile": ""}


def ensure_current(folder: Path, root: Path) -> tuple[Path, bool]:
    """The project that ``make run`` works on, named in ``folder``/.current, and whether it was generated just now."""
    pointer = folder / ".current"
    if pointer.is_file():
        project = folder / pointer.read_text(encoding="utf-8").strip()
        if (project / RECORD).is_file():
            return project, False
    folder.mkdir(parents=True, exist_ok=True)
    before = {path.name for path in folder.iterdir()}
    command = [
        sys.executable,
        "-m",
        "cookiecutter",
        str(root),
        "--directory",
        TEMPLATE,
        "--no-input",
        "--output-dir",
        str(folder),
    ]
    command += ["--default-config"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    made = [path for path in folder.iterdir() if path.name not in before and (path / RECORD).is_file()]
    if done.returncode or len(made) != 1:
        raise GaslampError(
            f"cannot generate a project in {folder}: {done.stdout.strip()[-400:]}",
            f"remove the folder it names, or write its name into {pointer}",
        )
    pointer.write_text(made[0].name + "\n", encoding="utf-8")
    return made[0], True
