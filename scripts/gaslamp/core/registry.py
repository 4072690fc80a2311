"""Plug-ins found by file name: ``data/formats/alpaca.py`` is the format ``alpaca``. No decorators, nothing to register.

Metrics, rewards and checks may also be in the project itself, in a folder of that name next to config.yaml:
``metrics/mine.py`` is the metric ``mine``, and replaces one of the library with the same name.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from gaslamp.core.errors import GaslampError
from gaslamp.core.nearest import get_hint

LIBRARY = Path(__file__).parents[1]
ROOMS = {
    "formats": "data",
    "checks": "data",
    "embedded": "data",
    "methods": "train",
    "backends": "train",
    "rewards": "train",
    "metrics": "evaluate",
    "exporters": "export",
}
"""The room of each kind of plug-in; the plug-ins are the files of a folder with the kind's name in that room."""
OWN = ("metrics", "rewards", "checks")
"""The kinds that a project may add in a folder of its own; every step runs in the project folder."""


def get_folder(kind: str) -> Path:
    """The library's folder of one kind of plug-in."""
    return LIBRARY / ROOMS[kind] / kind


def find(kind: str, name: str) -> Path | None:
    """The file of one plug-in: the project's own, else the library's; ``None`` when there is none."""
    folders = [Path.cwd() / kind, get_folder(kind)] if kind in OWN else [get_folder(kind)]
    return next((folder / f"{name}.py" for folder in folders if (folder / f"{name}.py").is_file()), None)


def names(kind: str) -> list[str]:
    """The names of all plug-ins of ``kind`` (a key of ROOMS), sorted; imports none of them."""
    found = {file.stem for file in get_folder(kind).glob("[a-z]*.py")}
    if kind in OWN:
        found |= {file.stem for file in (Path.cwd() / kind).glob("[a-z]*.py")}
    return sorted(found)


def find_name_problem(kind: str, name: str) -> str | None:
    """``there is no method 'dppo'; did you mean 'dpo'?``, or ``None`` when the plug-in exists."""
    if name in (known := names(kind)):
        return None
    what = "embedded data set" if kind == "embedded" else kind.removesuffix("s")
    return f"there is no {what} '{name}'; {get_hint(name, known)}"


def get(kind: str, name: str) -> ModuleType:
    """The module of one plug-in.

    Raises:
        GaslampError: there is none of that name (the nearest one is suggested), or the project's own file does not
            load.
    """
    if problem := find_name_problem(kind, name):
        cause, _, hint = problem.partition("; ")
        raise GaslampError(cause, hint)
    file = find(kind, name)
    if file is None or file.is_relative_to(LIBRARY):
        return importlib.import_module(f"gaslamp.{ROOMS[kind]}.{kind}.{name}")
    return _load(file, f"gaslamp_project.{kind}.{name}")


def get_room_modules(stem: str) -> list[ModuleType]:
    """The module called ``stem`` of each room that has one, sorted by room: how a lower room calls upper ones.

    Example: ``get_room_modules("config_check")`` gives ``gaslamp.data.config_check``, ``gaslamp.models.config_check``
    and so on.
    """
    rooms = sorted(file.parent.name for file in LIBRARY.glob(f"*/{stem}.py"))
    return [importlib.import_module(f"gaslamp.{room}.{stem}") for room in rooms]


def _load(file: Path, module_name: str) -> ModuleType:
    """Import a plug-in of the project, once in a process."""
    known = sys.modules.get(module_name)
    if known is not None and known.__file__ == str(file):
        return known
    spec = importlib.util.spec_from_file_location(module_name, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's file may raise anything: the message names its line
        line = error.lineno if isinstance(error, SyntaxError) else _get_line(error, file)
        raise GaslampError(
            f"{file}{f', line {line}' if line else ''}: {type(error).__name__}: {error}",
            "fix that line",
            "a package that it imports is not installed",
        ) from error
    sys.modules[module_name] = module
    return module


def _get_line(error: BaseException, file: Path) -> int | None:
    """The last line of ``file`` in the traceback of ``error``."""
    line, trace = None, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
