"""What a plug-in says of itself, read from its text.

Importing a method or a metric needs packages that are not there before a project is installed.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

from gaslamp.core import registry
from gaslamp.data.rows import can_adapt


@cache
def _read(file: Path) -> dict[str, Any]:
    """The constants of a file by name; one that it takes from another file of this library is looked up there."""
    found: dict[str, Any] = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gaslamp."):
            found |= {alias.asname: (node.module, alias.name) for alias in node.names if alias.asname == alias.name}
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name):
                try:
                    found[target.id] = ast.literal_eval(node.value)
                except ValueError:
                    continue  # computed: not known without an import
    for name, value in found.items():
        if isinstance(value, tuple) and len(value) == 2 and str(value[0]).startswith("gaslamp."):
            other = registry.LIBRARY.parent.joinpath(*value[0].split(".")).with_suffix(".py")
            found[name] = _read(other).get(value[1]) if other.is_file() else None
    return found


def get_constant(kind: str, name: str, constant: str, default: object = None) -> Any:
    """A constant of a plug-in that is written out in its file; ``default`` when it is computed, or there is none."""
    file = registry.find(kind, name)
    found = _read(file).get(constant) if file else None
    return default if found is None else found


def list_methods(kind: str) -> list[str]:
    """The methods that can learn from rows of a kind (data.rows.KINDS, or ``images``), by what they say themselves."""
    own = "conversation" if kind == "images" else kind
    found = []
    for name in registry.names("methods"):
        kinds = get_constant("methods", name, "KINDS", ())
        if get_constant("methods", name, "MULTIMODAL", False) != (kind == "images"):
            continue
        best = next((one for one in kinds if can_adapt(own, one)), None)
        if best and not (best == "conversation" != kinds[0]):
            found.append(name)
    return found
