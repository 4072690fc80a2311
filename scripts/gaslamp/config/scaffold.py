"""A project is generated: from the template by cookiecutter, completed by its hook.

Standard library only: the hooks of cookiecutter-template/ run it with whatever Python runs cookiecutter.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from gaslamp import __version__
from gaslamp.config.pin import PINNED, RECORD, get_pin, skip
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_json

TEMPLATE = "cookiecutter-template"
Generated = tuple[Path, str]
"""A new project, and what cookiecutter printed."""


def finish_project(project: Path, root: Path, source: str, answers: dict[str, str], data: str) -> None:
    """Do the work of the post-generation hook: pin the code, copy the data, link profiles and environment, record it
    all.

    Args:
        project: the folder that cookiecutter has just written.
        root: the repository that holds the template.
        source: what the user gave cookiecutter (path or git URL), made absolute; ``make upgrade`` uses it again.
        answers: the user's own, by question.
        data: absolute path of the user's data; empty for an embedded data set.

    Raises:
        GaslampError: a file cannot be copied.
    """
    try:
        for name in PINNED:
            shutil.copytree(root / name, project / name, ignore=skip, copy_function=_copy)
        if data:
            target = project / "data" / "raw" / get_safe_name(data)
            shutil.copytree(data, target) if Path(data).is_dir() else shutil.copy2(data, target)
    except (OSError, shutil.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)[:300]
        raise GaslampError(
            f"cannot make the project: {reason} ({getattr(error, 'filename', None) or data or root})",
            "fix that, then run cookiecutter again",
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
    """Link ``cpu`` to ``profiles/cpu`` and so on: Snakemake looks for a bare profile name in the working folder."""
    for profile in sorted((project / "profiles").iterdir()):
        if (profile / "config.yaml").is_file() and not (project / profile.name).exists():
            (project / profile.name).symlink_to(Path("profiles") / profile.name)


def link_environment(project: Path) -> bool:
    """Link ``.venv`` in the project to the environment of this Python, if it can run the workflow;
    whether it was linked.
    """
    prefix = Path(sys.prefix)
    is_own = sys.prefix != sys.base_prefix or (prefix / "conda-meta").is_dir()
    can_run = all(importlib.util.find_spec(name) for name in ("snakemake", "torch", "pydantic"))
    if not (is_own and can_run and (prefix / "bin" / "snakemake").is_file()):
        return False
    (project / ".venv").symlink_to(prefix)
    return True


def get_safe_name(path: str) -> str:
    """The file name of ``path`` without anything that a rule could read as a wildcard, an option or a hidden file."""
    return re.sub(r"[^\w.-]+", "_", Path(path).name).lstrip(".-") or "data"


def bake(source: str, answers: dict[str, str], folder: Path) -> Path:
    """Generate a fresh project in ``folder`` from the same answers, without the data: only its pinned files are wanted.

    Raises:
        GaslampError: cookiecutter cannot generate from ``source``.
    """
    return _generate(
        source,
        folder,
        [f"task={quote_for_jinja(answers['task'])}"],
        f"cannot generate from {source}",
        "give the repository's place: make upgrade FROM=<path or git URL>",
        "cookiecutter is missing in this environment: make setup",
    )[0]


def make_project(root: Path, folder: Path, task: str, data: str, wanted: dict[str, str]) -> tuple[Path, list[str]]:
    """Generate a project in ``folder`` from answers that were settled already; what is said of it, line by line.

    Args:
        root: the repository.
        folder: where it will stand.
        task, data: the two answers.
        wanted: lines of the plan that a person set.

    Raises:
        GaslampError: it cannot be made; nothing is left behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    answers = {"task": task, "data": data, "__wanted": json.dumps(wanted)}
    project, output = _generate(
        str(root),
        folder,
        [f"{key}={quote_for_jinja(value)}" for key, value in answers.items()],
        f"cannot make a project in {folder}",
        "do what the message says, and start again",
        "another command made a project of this name at the same moment: start again, it gets the next name",
    )
    return project, output[output.rindex(f"made {project.name}") :].splitlines()


def quote_for_jinja(text: str) -> str:
    """A template that renders to ``text``: cookiecutter renders the answers of its command line, and only those."""
    letters = [char if char.isascii() and (char.isalnum() or char == " ") else f"\\U{ord(char):08x}" for char in text]
    return '{{ "' + "".join(letters) + '" }}'


def ensure_current(folder: Path, root: Path) -> tuple[Path, bool]:
    """The project that ``make run`` works on, named in ``folder``/.current, and whether it was generated just now.

    Raises:
        GaslampError: no project can be generated there.
    """
    pointer = folder / ".current"
    if pointer.is_file():
        project = folder / pointer.read_text(encoding="utf-8").strip()
        if (project / RECORD).is_file():
            return project, False
    folder.mkdir(parents=True, exist_ok=True)
    project, _ = _generate(
        str(root),
        folder,
        ["--default-config"],
        f"cannot generate a project in {folder}",
        f"remove the folder that the message names, or write its name into {pointer}",
    )
    pointer.write_text(project.name + "\n", encoding="utf-8")
    return project, True


def _generate(
    source: str, folder: Path, arguments: list[str], problem: str, fix: str, less_likely: str = ""
) -> Generated:
    """Run cookiecutter without questions and return the new project in ``folder``, and what was printed; the last three
    are for the error.
    """
    before = {path.name for path in folder.iterdir()}
    command = [sys.executable, "-m", "cookiecutter", source, "--directory", TEMPLATE, "--no-input"]
    with subprocess.Popen(
        [*command, "--output-dir", str(folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C does not reach it: cookiecutter would leave half a project
    ) as child:
        try:
            output, _ = child.communicate()
        except KeyboardInterrupt:
            output, _ = child.communicate()  # a second or two
            if done := re.search(r"^made ([\w.-]+):$", output, re.MULTILINE):
                shutil.rmtree(folder / done[1], ignore_errors=True)
            raise
    made = [path for path in folder.iterdir() if path.name not in before and (path / RECORD).is_file()]
    if child.returncode or len(made) != 1:
        said = re.search(r"^error: .*", output, re.MULTILINE | re.DOTALL | re.IGNORECASE)  # behind the plan
        text = (said.group() if said else output).strip()
        raise GaslampError(f"{problem}: {text[-400:]}", fix, less_likely or None)
    return made[0], output
