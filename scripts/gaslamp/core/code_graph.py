"""Which files a script depends on: so that editing a module reruns exactly the rules that use it.

Standard library only and no imports of the code itself: the Snakefile calls this at every parse.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gaslamp.core.registry import ROOMS

SCRIPTS = Path(__file__).parents[2]


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a file but those under ``if TYPE_CHECKING:``, which decide nothing that a step does."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting.extend(node.orelse)
        else:
            yield node
            waiting.extend(ast.iter_child_nodes(node))


@cache
def get_imports(file: Path) -> tuple[Path, ...]:
    """The files of this library that ``file`` imports, at the top or inside functions."""
    found: list[Path] = []
    for node in _walk(ast.parse(file.read_text(encoding="utf-8"))):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for module in modules:
            base = SCRIPTS.joinpath(*module.split("."))
            packages = [SCRIPTS.joinpath(*module.split(".")[:depth]) for depth in range(2, module.count(".") + 1)]
            found += [folder / "__init__.py" for folder in packages if (folder / "__init__.py").is_file()]
            if base.with_suffix(".py").is_file():
                found.append(base.with_suffix(".py"))
            elif module != "gaslamp" and (base / "__init__.py").is_file():
                found.append(base / "__init__.py")
    return tuple(found)


def get_code(script: str, *plugins: str) -> list[str]:
    """The project-relative files whose bytes decide what ``scripts/<script>`` does.

    Args:
        script: file name in scripts/.
        plugins: dependencies that no import shows: plug-ins that are found by name at run time, such as
            ``methods/sft``, and data
            files, with their ending. A file of that name in the project itself (``metrics/mine``) wins, as in the
            registry.
    """
    waiting = [SCRIPTS / script]
    for name in plugins:
        place = name if Path(name).suffix else f"{name}.py"
        own = SCRIPTS.parent / place
        kind = name.split("/")[0]
        library = SCRIPTS / "gaslamp" / ROOMS[kind] / place if kind in ROOMS else SCRIPTS / "gaslamp" / place
        waiting.append(own if kind in ROOMS and own.is_file() else library)
    seen: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            if file.suffix == ".py" and file.is_file():
                waiting.extend(get_imports(file))
    return sorted(file.relative_to(SCRIPTS.parent).as_posix() for file in seen)
