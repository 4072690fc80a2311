"""Plug-ins found by file name: ``data/formats/alpaca.py`` is the format ``alpaca``. No decorators, nothing to register.

A project adds plug-ins of every kind in a folder of its own next to config.yaml, which ``make upgrade`` leaves alone:
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
    "findings": "train",
    "rewards": "train",
    "metrics": "evaluate",
    "answer_findings": "evaluate",
    "exporters": "export",
    "drivers": "remote",
}
"""The room of each kind of plug-in; the plug-ins are the files of a folder with the kind's name in that room."""
RENAMED: dict[str, dict[str, str]] = {
    "metrics": {"ASKS": "INPUT_OPTIONS"},
    "checks": {"mend": "fix"},  # words: ok
    "methods": {
        "SEES": "MULTIMODAL",
        "ASKED": "EVALUATION_OPTIONS",  # words: ok
        "context.tell": "context.emit",  # words: ok
    },
}
"""Names in plug-ins that are others now (old -> new): a file that still has the old one is refused.

A name with a dot is an attribute of what a function is given, any other one an attribute of the plug-in."""


def get_folder(kind: str) -> Path:
    """The library's folder of one kind of plug-in."""
    return LIBRARY / ROOMS[kind] / kind


def get_own_folder(kind: str) -> Path:
    """The project's folder of one kind of plug-in; every step runs in the project folder."""
    return Path.cwd() / kind


def find(kind: str, name: str) -> Path | None:
    """The file of one plug-in: the project's own, else the library's; ``None`` when there is none."""
    files = [folder / f"{name}.py" for folder in (get_own_folder(kind), get_folder(kind))]
    return next((file for file in files if file.is_file()), None)


def get_library_names(kind: str) -> list[str]:
    """The names of the library's own plug-ins of ``kind``, sorted; imports none of them."""
    return sorted(file.stem for file in get_folder(kind).glob("[a-z]*.py"))


def names(kind: str) -> list[str]:
    """The names of all plug-ins of ``kind`` (a key of ROOMS), sorted, the project's too; imports none of them."""
    own = {file.stem for file in get_own_folder(kind).glob("[a-z]*.py")}
    return sorted(own.union(get_library_names(kind)))


def find_name_problem(kind: str, name: str) -> str | None:
    """``there is no method 'dppo'; did you mean 'dpo'?``, or ``None`` when the plug-in exists."""
    if name in (known := names(kind)):
        return None
    what = "embedded data set" if kind == "embedded" else kind.removesuffix("s")
    return f"there is no {what} '{name}'; {get_hint(name, known)}"


def find_with(kind: str, attribute: str, value: object) -> ModuleType:
    """The library's first plug-in of ``kind``, by name, with such an attribute: the backend whose EXTRA is ``mlx``.

    Raises:
        KeyError: there is none.
    """
    for name in get_library_names(kind):
        if getattr(get(kind, name), attribute, None) == value:
            return get(kind, name)
    raise KeyError(value)


def get(kind: str, name: str) -> ModuleType:
    """The module of one plug-in.

    Raises:
        GaslampError: there is none of that name (the nearest one is suggested), or the project's own file does not
            load or has an attribute of RENAMED.
    """
    if problem := find_name_problem(kind, name):
        cause, _, hint = problem.partition("; ")
        raise GaslampError(cause, hint)
    file = find(kind, name)
    if file is None or file.is_relative_to(LIBRARY):
        return importlib.import_module(f"gaslamp.{ROOMS[kind]}.{kind}.{name}")
    return _load(file, kind)


def get_room_modules(stem: str) -> list[ModuleType]:
    """The module called ``stem`` of each room that has one, sorted by room: how a lower room calls upper ones.

    Example: ``get_room_modules("config_check")`` gives ``gaslamp.data.config_check``, ``gaslamp.models.config_check``
    and so on.
    """
    rooms = sorted(file.parent.name for file in LIBRARY.glob(f"*/{stem}.py"))
    return [importlib.import_module(f"gaslamp.{room}.{stem}") for room in rooms]


def _load(file: Path, kind: str) -> ModuleType:
    """Import a plug-in of the project, once in a process."""
    module_name = f"gaslamp_project.{kind}.{file.stem}"
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
    _refuse_old_names(module, kind)
    sys.modules[module_name] = module
    return module


def _refuse_old_names(module: ModuleType, kind: str) -> None:
    """Raise GaslampError when the plug-in has names of RENAMED: they would be ignored, or fail late."""
    code = Path(str(module.__file__)).read_text(encoding="utf-8")
    renamed = RENAMED.get(kind, {}).items()
    old = [(name, new) for name, new in renamed if (f"{name}(" in code if "." in name else hasattr(module, name))]
    if old:
        raise GaslampError(
            f"{module.__file__} uses a name that was changed: {', '.join(name for name, _ in old)}",
            "; ".join(f"rename {name} to {new}" for name, new in old),
        )


def _get_line(error: BaseException, file: Path) -> int | None:
    """The last line of ``file`` in the traceback of ``error``."""
    line, trace = None, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
