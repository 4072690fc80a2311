"""A change of one line of the plan: what was typed, which line it means, and whether the value is possible."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from gaslamp.config.base_models import EMBEDDED
from gaslamp.core.errors import GaslampError
from gaslamp.core.nearest import get_hint
from gaslamp.guide.language import NAMES
from gaslamp.guide.options import get_options
from gaslamp.guide.page_lines import get_code
from gaslamp.guide.plan import Line, Plan
from gaslamp.guide.plugins import get_constant
from gaslamp.models.checkpoint import check_model_folder

LISTS = ("metric", "deploy")  # lines with several values
SMALLEST_LENGTH = 8
HUB_MODEL = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def find_line(text: str, plan: Plan) -> Line:
    """The line that a number, a name or its beginning means.

    Raises:
        GaslampError: there is no such line.
    """
    given = text.strip()
    text = given.lower().replace("_", " ")
    if text.isdigit() and 1 <= int(text) <= len(plan.lines):
        return plan.lines[int(text) - 1]
    names = [line.name for line in plan.lines]
    plain = {name.replace("_", " "): name for name in names}
    found = [name for name in plain if name == text] or [name for name in plain if text and name.startswith(text)]
    if len(found) == 1:
        return plan.get(plain[found[0]])
    if re.fullmatch(r"[a-z]\w*(\.\w+)+", given):
        raise GaslampError(
            f"{given} is no line of the plan: it reads like a key of config.yaml",
            f"make the project without it, then set {given} in its config.yaml",
            f"a line of the plan: {', '.join(names)}",
        )
    raise GaslampError(
        f"the plan has no line '{given}'", f"a number from 1 to {len(names)}, or {get_hint(text, names)}"
    )


def split_change(text: str) -> tuple[str, str]:
    """``method=dpo``, ``method: dpo`` or ``2 dpo`` -> the line and the value; without a value it is empty."""
    for mark in ("=", ": "):
        name, found, value = text.partition(mark)
        if found:
            return name.strip(), value.strip()
    if match := re.fullmatch(r"\s*(\d+)\s+(\S.*)", text):
        return match[1], match[2].strip()
    return text.strip(), ""


def read_changes(text: str) -> dict[str, str]:
    """``method=dpo; metric=rouge,chrf`` as line -> value: what the command line names.

    Raises:
        GaslampError: a part has no value.
    """
    found = {}
    for part in re.split(r"[;\n]", text):
        if part.strip():
            name, value = split_change(part)
            if not value:
                raise GaslampError(f"'{part.strip()}' names no value", "write line=value, several with ; between them")
            found[name] = value
    return found


def check_change(line: Line, value: str, folder: Path | None = None) -> str:
    """The value as the plan keeps it.

    Args:
        line: of the plan.
        value: what a person wants.
        folder: where relative paths start.

    Raises:
        GaslampError: the line cannot have this value; says which it can have.
    """
    value = value.strip()
    if line.name == "tier":
        raise GaslampError("the tier follows from the base model", "change the line base model")
    if line.name == "max_length":
        if value != "auto" and not (value.isdigit() and int(value) >= SMALLEST_LENGTH):
            raise GaslampError(f"max_length cannot be {value}", f"auto, or a number of tokens from {SMALLEST_LENGTH}")
        return value
    if line.name == "base model":
        return _check_model(value, folder or Path.cwd())
    if line.name == "language":
        if not (code := get_code(value)):
            raise GaslampError(f"'{value}' is no language that is known here", get_hint(value, NAMES.values()))
        return code
    if line.name in LISTS:
        names = [name.strip() for name in value.split(",") if name.strip()]
        for name in names:
            _check_option(line.name, name, line.options)
        return ", ".join(names)
    if line.name == "columns":
        return _check_reading(value, line.options)
    if line.name == "method" and value not in line.options and value in get_options("method"):
        needs = get_constant("methods", value, "NEEDS", "other rows")
        raise GaslampError(
            f"{value} cannot learn from these rows: it needs {needs}",
            f"one of {', '.join(line.options)}",
            "the columns mean something else: change the line columns first",
        )
    _check_option(line.name, value, line.options)
    return value


def _check_option(name: str, value: str, options: Sequence[str]) -> None:
    if value not in options:
        raise GaslampError(f"{name} cannot be {value}", get_hint(value, options))


def _check_reading(value: str, options: Sequence[str]) -> str:
    """A reading by its key or by its number in the list."""
    if value.isdigit() and 1 <= int(value) <= len(options):
        return options[int(value) - 1]
    if not options:
        raise GaslampError(
            "the columns have one meaning only, or are not known yet",
            "data.columns in config.yaml gives each role a column, once the project is made",
        )
    _check_option("columns", value, options)
    return value


def _check_model(value: str, folder: Path) -> str:
    if value.startswith("embedded:"):
        if (name := value.removeprefix("embedded:")) not in EMBEDDED:
            raise GaslampError(f"there is no embedded model '{name}'", get_hint(name, EMBEDDED))
        return value
    path = folder / Path(value).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise GaslampError(f"{path} is no checkpoint: it has no config.json", "give the folder of a checkpoint")
        check_model_folder(path)
        return str(path.resolve())
    if value.startswith((".", "/", "~")) or not HUB_MODEL.fullmatch(value):
        raise GaslampError(
            f"'{value}' is no base model", "embedded:NAME, a hub id like org/name, or a folder with a checkpoint"
        )
    return value
