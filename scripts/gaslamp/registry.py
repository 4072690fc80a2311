"""Plug-ins found by file name: ``formats/alpaca.py`` is the format ``alpaca``. No decorators, nothing to register."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from types import ModuleType

from gaslamp.errors import GaslampError


def names(kind: str) -> list[str]:
    """The plug-ins of ``kind`` (``methods``, ``formats``, ``metrics``, ``exporters``, ``backends``), sorted; imports nothing."""
    folder = Path(__file__).parent / kind
    return sorted(file.stem for file in folder.glob("[a-z]*.py"))


def get(kind: str, name: str) -> ModuleType:
    """The module of one plug-in. Raises GaslampError with the nearest names when there is none."""
    known = names(kind)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose one of: {', '.join(known)}"
        raise GaslampError(f"there is no {kind.rstrip('s')} named '{name}'", hint)
    return importlib.import_module(f"gaslamp.{kind}.{name}")
