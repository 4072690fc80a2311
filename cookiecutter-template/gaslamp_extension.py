"""What the template computes from the two answers: the plan, names, text that is safe where it lands.

It runs inside cookiecutter, before anything of the project is there: of the library it imports what needs the standard
library, and what cookiecutter itself brings.
"""

# ruff: noqa: UP036 - cookiecutter may run on an older Python
from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from jinja2 import Environment
from jinja2.ext import Extension

if sys.version_info < (3, 11):
    sys.exit(
        "error: Python {}.{} runs cookiecutter, 3.11 or newer is needed\n".format(*sys.version_info)
        + "  usual fix:       install cookiecutter with a newer Python "
        "(pipx install --python python3.12 cookiecutter)"
    )

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from gaslamp.core.errors import GaslampError, Interrupted  # noqa: E402
from gaslamp.guide.answers import get_project_name  # noqa: E402
from gaslamp.guide.interview import hold  # noqa: E402
from gaslamp.guide.task import get_audience  # noqa: E402


def get_cwd() -> str:
    """Where the person stands: relative answers start there. Cookiecutter renders this before it moves."""
    return str(Path.cwd())


def name_folder(name: str) -> str:
    """The folder of a new project: its name and today; with a number behind it where that is taken.

    Whoever wants to replace a folder (``--overwrite-if-exists``) gets the name itself.
    """
    folder = f"{name}_{datetime.now().astimezone():%Y_%m_%d}"
    given = find_caller("cookiecutter", "output_dir")
    if given.get("overwrite_if_exists") or given.get("skip_if_file_exists"):
        return folder
    free, number = folder, 2
    while (Path(given.get("output_dir") or ".") / free).exists():
        free, number = f"{folder}_{number}", number + 1
    return free


def hold_interview(task: str, data: str, wanted: str) -> str:
    """The interview; its outcome as JSON. It ends cookiecutter, before any file is written, when an answer cannot be
    used and nobody is there to ask, and when the person stops.

    Args:
        task, data: the two answers.
        wanted: lines of the plan that were set beforehand, as JSON.
    """
    try:
        return json.dumps(hold(task, data, json.loads(wanted), input if is_asking() else None))
    except GaslampError as error:
        print(error.cause if isinstance(error, Interrupted) else error, file=sys.stderr, flush=True)
        sys.exit(error.code)


def is_asking() -> bool:
    """Whether cookiecutter asks questions, and a person at a terminal can answer."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    asking = find_caller("prompt_for_config", "no_input")  # cookiecutter hands --no-input to this function alone
    return bool(asking) and not asking["no_input"]


def find_caller(function: str, argument: str) -> Mapping[str, object]:
    """The arguments of the function of cookiecutter, with this one among them, that called here; else empty."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == function and argument in frame.f_locals:
            return frame.f_locals
    return {}


def get_part(outcome: str, key: str) -> str:
    """One value of the interview's outcome."""
    return str(json.loads(outcome)[key])


def quote(text: str) -> str:
    """A double-quoted string that YAML, TOML, JSON and Python all read back as ``text``."""
    letters = []
    for char in text:
        if char in '"\\':
            letters.append("\\" + char)
        elif char.isprintable():
            letters.append(char)
        elif ord(char) > 0xFFFF:
            letters.append(f"\\U{ord(char):08x}")
        else:  # lone surrogates come from bytes that were no UTF-8
            letters.append("\\ufffd" if 0xD800 <= ord(char) <= 0xDFFF else f"\\u{ord(char):04x}")
    return '"' + "".join(letters) + '"'


def escape_markdown(text: str) -> str:
    """One line of plain text in Markdown: nothing in it becomes markup."""
    line = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
    return re.sub(r"([\\`*_{}\[\]<>#|!~&$])", r"\\\1", line)


def get_requirements(cwd: str, repo_dir: str) -> str:
    """``dependencies`` and the extras of the repository's pyproject.toml as TOML: a project installs exactly the same.

    The first line ends a comment: so the template's own pyproject.toml is valid TOML, which linters of the repository
    read.
    """
    import tomllib

    root = (Path(cwd) / repo_dir).parent
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        "taken over from the repository",
        f"requires-python = {quote(project['requires-python'])}",
        "dependencies = [",
        *_list(project["dependencies"]),
        "]",
        "",
    ]
    lines.append("[project.optional-dependencies]")
    for extra, names in project.get("optional-dependencies", {}).items():
        if extra != "dev":
            lines += [f"{extra} = [", *_list(names), "]"]
    return "\n".join(lines)


def _list(names: list[str]) -> list[str]:
    return [f"    {quote(name)}," for name in names]


class GaslampExtension(Extension):
    """Filters and functions for the files of the template."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters.update(
            project_name=get_project_name, audience=get_audience, part=get_part, quote=quote, markdown=escape_markdown
        )
        environment.globals.update(
            get_cwd=get_cwd, name_folder=name_folder, get_requirements=get_requirements, hold_interview=hold_interview
        )
