"""Which files a script depends on: so that editing a module reruns exactly the rules that use it.

Standard library only and no imports of the code itself: the Snakefile calls this at every parse.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gaslamp.core.registry import ROOMS

SCRIPTS = Path(__file__).parents[2]
KEPT = Path(".snakemake", "gaslamp_imports.json")
"""What was read from each file's imports, by its bytes: 400 files are parsed once, not by every command."""


def _walk(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements of a file but those under ``if TYPE_CHECKING:``, which decide nothing that a step does.

    Statements only: an expression holds no import, and expressions are nine tenths of the nodes.
    """
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting.extend(node.orelse)
        else:
            for block in ("body", "orelse", "finalbody", "handlers", "cases"):
                waiting.extend(getattr(node, block, ()))


@cache
def _is_own(top: str) -> bool:
    """Whether a top-level module stands in ``scripts/``."""
    return (SCRIPTS / top).is_dir() or (SCRIPTS / f"{top}.py").is_file()


class _Parsed:
    """The modules that files name in their imports, by the hash of their bytes; kept between commands of a project."""

    def __init__(self) -> None:
        self.salt = hashlib.sha256(Path(__file__).read_bytes()).digest()  # other code reads the imports otherwise
        self.used: dict[str, list[str]] = {}
        self.is_new = False
        self.kept: dict[str, list[str]] = {}
        with contextlib.suppress(OSError, ValueError):  # missing or damaged: it is written again
            kept = json.loads(KEPT.read_bytes())
            self.kept = kept if isinstance(kept, dict) else {}

    def get(self, file: Path) -> list[str]:
        """The modules that ``file`` imports, and each name of a ``from`` as a module that it may be."""
        text = file.read_bytes()
        key = hashlib.sha256(self.salt + text).hexdigest()
        if key not in self.used:
            self.is_new |= key not in self.kept
            self.used[key] = self.kept[key] if key in self.kept else self._parse(text)
        return self.used[key]

    def _parse(self, text: bytes) -> list[str]:
        modules: list[str] = []
        for node in _walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                modules += [alias.name for alias in node.names]
            elif node.module and node.level == 0:
                modules += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        return modules

    def write(self) -> None:
        """Keep what was parsed, where Snakemake has a folder of its own; no command fails when that cannot be."""
        if self.is_new and KEPT.parent.is_dir():
            unfinished = KEPT.with_name(f"{KEPT.name}.{os.getpid()}.unfinished")
            with contextlib.suppress(OSError):
                unfinished.write_text(json.dumps(self.used), encoding="utf-8")
                unfinished.replace(KEPT)
            self.is_new = False


_get_parsed = cache(_Parsed)


@cache
def get_imports(file: Path) -> tuple[Path, ...]:
    """The files of this library that ``file`` imports, at the top or inside functions."""
    own = [module for module in _get_parsed().get(file) if _is_own(module.partition(".")[0])]
    return tuple(found for module in own for found in _find(module))


@cache
def _find(module: str) -> tuple[Path, ...]:
    """The files that importing ``module`` runs: its packages' and its own; none for a name inside a module."""
    parts = module.split(".")
    base = os.path.join(SCRIPTS, *parts)  # texts, not paths: most of 1,800 names are no module
    packages = [os.path.join(SCRIPTS, *parts[:depth], "__init__.py") for depth in range(2, len(parts))]
    found = [file for file in packages if os.path.isfile(file)]
    if os.path.isfile(f"{base}.py"):
        found.append(f"{base}.py")
    elif module != "gaslamp" and os.path.isfile(os.path.join(base, "__init__.py")):
        found.append(os.path.join(base, "__init__.py"))
    return tuple(map(Path, found))


@cache
def _name(file: Path) -> str:
    """The file's path in the project."""
    return file.relative_to(SCRIPTS.parent).as_posix()


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
    _get_parsed().write()
    return sorted(map(_name, seen))
