"""Count `Any` in signatures of public functions and methods, and public functions without a docstring, by room.

A signature with `Any` says neither to the reader nor to mypy what a function takes. It stays where a heavy third-party
object is meant; everything else has a Protocol, a dataclass, a TypedDict, `object` or a type parameter.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LIBRARY = Path(__file__).resolve().parents[1] / "gaslamp"
LIMIT = 60
"""The most `Any` that all public signatures together may have."""

PENDING: tuple[str, ...] = ()
"""Rooms that are outside the limit; none are left."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Finding(NamedTuple):
    """One public function with something to improve."""

    place: str
    any_count: int
    has_docstring: bool


def find_functions(tree: ast.AST, is_public: bool = True) -> Iterator[FunctionNode]:
    """Public functions and methods of public classes; nothing inside functions, no overloads of private names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from find_functions(node, is_public and not node.name.startswith("_"))
        elif (
            isinstance(node, FunctionNode) and is_public and (not node.name.startswith("_") or node.name == "__init__")
        ):
            yield node


def count_any(function: FunctionNode) -> int:
    """How often `Any` appears in the annotations of the arguments and of the result."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    annotations = [argument.annotation for argument in every if argument] + [function.returns]
    nodes = [node for annotation in annotations if annotation for node in ast.walk(annotation)]
    return sum(isinstance(node, ast.Name) and node.id == "Any" for node in nodes)


def check_file(file: Path) -> list[Finding]:
    """All findings of one file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = []
    for function in find_functions(tree):
        count, has_docstring = count_any(function), bool(ast.get_docstring(function)) or function.name == "__init__"
        if count or not has_docstring:
            found.append(
                Finding(f"{file.relative_to(LIBRARY)}:{function.lineno} {function.name}", count, has_docstring)
            )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("room", nargs="?", help="list every finding of this room")
    args = parser.parse_args()
    rooms = {folder.name: folder for folder in sorted(LIBRARY.iterdir()) if (folder / "__init__.py").is_file()}
    total = missing = 0
    for name, folder in rooms.items():
        findings = [finding for file in sorted(folder.rglob("*.py")) for finding in check_file(file)]
        counted = sum(finding.any_count for finding in findings)
        undocumented = sum(not finding.has_docstring for finding in findings)
        if name not in PENDING:
            total, missing = total + counted, missing + undocumented
        print(f"{name:12} {counted:4} Any {undocumented:4} without docstring")
        for finding in findings if name == args.room else ():
            print(f"  {finding.place}: {finding.any_count} Any{'' if finding.has_docstring else ', no docstring'}")
    pending = f"; not counted: {', '.join(PENDING)}" if PENDING else ""
    print(f"{'together':12} {total:4} Any {missing:4} without docstring; at most {LIMIT} Any may stay{pending}")
    return int(total > LIMIT or missing > 0)


if __name__ == "__main__":
    sys.exit(main())
