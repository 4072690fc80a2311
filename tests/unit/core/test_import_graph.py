"""The import graph: rooms import one way, no cycle between files, no import of this library inside a function."""

from __future__ import annotations

import ast
import graphlib
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
LIBRARY = SCRIPTS / "gaslamp"
ORDER = (
    "core",
    "config",
    "pages",
    "models",
    "environment",
    "data",
    "train",
    "evaluate",
    "export",
    "memory",
    "serve",
    "report",
    "guide",
    "remote",
    "interfaces",
)
"""Each room may import the rooms before it."""
HIDDEN = frozenset(
    {"data", "export"},
)
"""Rooms that still import this library inside functions; the list only shrinks."""
READ_BARE = ("gaslamp.train.backends.", "gaslamp.train.remote_backend")
"""Backends are read by interpreters without any package and of any version (detect_env.py):
what needs one is imported late.
"""


class _Visitor(ast.NodeVisitor):
    """Collects what a file imports of this library, at the top and inside functions, apart from imports for types."""

    def __init__(self) -> None:
        self.top: set[str] = set()
        self.hidden: set[str] = set()
        self._depth = 0

    def visit_If(self, node: ast.If) -> None:
        is_for_types = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in node.orelse if is_for_types else (*node.body, *node.orelse):
            self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the name is ast's

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            module = f"{node.module}.{alias.name}"
            is_module = _get_file(module) is not None
            self._add(module if is_module else node.module or "")

    def _add(self, module: str) -> None:
        if module.startswith("gaslamp."):
            (self.hidden if self._depth else self.top).add(module)


def _get_file(module: str) -> Path | None:
    base = SCRIPTS.joinpath(*module.split("."))
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


@cache
def get_imports() -> dict[str, _Visitor]:
    """Module name -> what it imports."""
    found = {}
    for file in sorted(LIBRARY.rglob("*.py")):
        name = ".".join(file.relative_to(SCRIPTS).with_suffix("").parts).removesuffix(".__init__")
        found[name] = _Visitor()
        found[name].visit(ast.parse(file.read_text(encoding="utf-8")))
    return found


def get_room(module: str) -> str:
    room = module.split(".")[1] if "." in module else ""
    return "" if room == "__main__" else room


def test_every_room_has_its_place() -> None:
    rooms = {file.parent.name for file in LIBRARY.glob("*/__init__.py")}
    assert rooms - set(ORDER) == set() and len(get_imports()) > 100


def test_rooms_import_only_the_rooms_before_them() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, found in get_imports().items()
        for imported in sorted(found.top | found.hidden)
        if get_room(module) and ORDER.index(get_room(imported)) > ORDER.index(get_room(module))
    ]
    assert not wrong, "\n".join(wrong)


def test_no_cycle_between_files() -> None:
    graph = {module: found.top | found.hidden for module, found in get_imports().items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        raise AssertionError(" <- ".join(error.args[1])) from None


def test_no_import_of_the_library_inside_a_function() -> None:
    """Only heavy packages of others are imported late: a hidden import of our own hides a cycle or an arrow back."""
    found = {
        module: sorted(visitor.hidden)
        for module, visitor in get_imports().items()
        if visitor.hidden and not module.startswith(READ_BARE)
    }
    wrong = [
        f"{module} imports {', '.join(names)}" for module, names in found.items() if get_room(module) not in HIDDEN
    ]
    assert not wrong, "\n".join(wrong)
    clean = HIDDEN - {get_room(module) for module in found}
    assert not clean, f"clean by now, take them off the list: {', '.join(sorted(clean))}"
