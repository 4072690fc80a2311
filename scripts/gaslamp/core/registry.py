"""Plug-ins found by file name: ``formats/alpaca.py`` is the format ``alpaca``. No decorators, nothing to register.

Metrics, rewards and checks may also stand in the project itself, in a folder of that name beside config.yaml: ``metrics/mine.py``
is the metric ``mine``, and wins over one of the library that is called the same.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from gaslamp.core.errors import GaslampError

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
"""The room that each kind of plug-in belongs to; each stands in a folder of that name inside it."""
OWN = ("metrics", "rewards", "checks")
"""The kinds that a project may bring in a folder of its own; steps run in the project, so it is the working directory."""


def get_folder(kind: str) -> Path:
    """The library's folder of one kind of plug-in."""
    return LIBRARY / ROOMS[kind] / kind


def find(kind: str, name: str) -> Path | None:
    """The file of one plug-in: the project's own, else the library's; ``None`` when there is none."""
    folders = [Path.cwd() / kind, get_folder(kind)] if kind in OWN else [get_folder(kind)]
    return next((folder / f"{name}.py" for folder in folders if (folder / f"{name}.py").is_file()), None)


def names(kind: str) -> list[str]:
    """The plug-ins of ``kind`` (``methods``, ``formats``, ``metrics``, ``exporters``, ``backends``), sorted; imports nothing."""
    found = {file.stem for file in get_folder(kind).glob("[a-z]*.py")}
    if kind in OWN:
        found |= {file.stem for file in (Path.cwd() / kind).glob("[a-z]*.py")}
    return sorted(found)


def get(kind: str, name: str) -> ModuleType:
    """The module of one plug-in. Raises GaslampError with the nearest names when there is none, or when it does not load."""
    known = names(kind)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose one of: {', '.join(known)}"
        raise GaslampError(f"there is no {kind.rstrip('s')} named '{name}'", hint)
    file = find(kind, name)
    if file is None or file.is_relative_to(LIBRARY):
        return importlib.import_module(f"gaslamp.{ROOMS[kind]}.{kind}.{name}")
    return _load(file, f"gaslamp_project.{kind}.{name}")


def _load(file: Path, module_name: str) -> ModuleType:
    """Run a plug-in of the project, once in a process."""
    known = sys.modules.get(module_name)
    if known is not None and known.__file__ == str(file):
        return known
    spec = importlib.util.spec_from_file_location(module_name, file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file does: it is their line that is named
        where = error.lineno if isinstance(error, SyntaxError) else _get_line(error, file)
        raise GaslampError(
            f"{file}{f', line {where}' if where else ''}: {type(error).__name__}: {error}",
            "mend that line",
            "a package that it imports is not installed",
        ) from error
    sys.modules[module_name] = module
    return module


def _get_line(error: BaseException, file: Path) -> int | None:
    """The last line of ``file`` that the error went through."""
    line, trace = None, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
