"""Write docs/architecture.md: the rooms of the library and their imports, read from the code (make architecture)."""

from __future__ import annotations

import graphlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from gaslamp.core.code_graph import get_imports  # noqa: E402
from gaslamp.core.registry import LIBRARY, ROOMS  # noqa: E402

PAGE = ROOT / "docs" / "architecture.md"
TEXT = """\
# Architecture

<!-- written by make architecture from the imports of the code; a test compares -->

The workflow is a graph of files: each rule in `rules/` runs one script in `scripts/`, which reads and writes files.
The scripts call the library, `scripts/gaslamp/`. It has one folder for each phase, a *room*, and some below the phases
that all share. The table in the [README](../README.md#the-graph) has the phases; [decisions.md](decisions.md) has the
reasons.

## Rooms and their imports

An arrow means "imports". A room may also import whatever an arrow's end imports; those arrows are left out. No arrow
points back, there is no cycle between files, and `tests/unit/core/test_import_graph.py` checks both.

```mermaid
flowchart BT
{edges}
```

| room | what it does | plug-ins |
|---|---|---|
{rooms}

Plug-ins are found by their file name (`core/registry.py`), in the room and in a folder of that name in the project
([extend.md](extend.md)). Where a lower room needs something of an upper one, the script passes it in, or the registry
finds it by name; for example each room checks its own part of the config in `config_check.py`.
"""


def get_rooms() -> dict[str, set[str]]:
    """Room -> the other rooms that its files import."""
    rooms: dict[str, set[str]] = {file.parent.name: set() for file in LIBRARY.glob("*/__init__.py")}
    for file in LIBRARY.rglob("*.py"):
        room = file.relative_to(LIBRARY).parts[0]
        if room in rooms:
            found = {imported.relative_to(LIBRARY).parts[0] for imported in get_imports(file)}
            rooms[room] |= (found & set(rooms)) - {room}
    return rooms


def get_order() -> list[str]:
    """The rooms, each after those that it imports."""
    return list(
        graphlib.TopologicalSorter({room: sorted(found) for room, found in sorted(get_rooms().items())}).static_order()
    )


def get_edges() -> list[tuple[str, str]]:
    """(room, imported room), without the arrows that others already imply."""
    rooms, reached = get_rooms(), dict[str, set[str]]()
    for room in get_order():
        reached[room] = rooms[room].union(*(reached[below] for below in rooms[room]))
    return [
        (room, below)
        for room in get_order()
        for below in sorted(rooms[room])
        if not any(below in reached[other] for other in rooms[room] - {below})
    ]


def render() -> str:
    """The page."""
    lines = []
    for room in get_order():
        doc = compile((LIBRARY / room / "__init__.py").read_text(encoding="utf-8"), room, "exec").co_consts[0]
        about = " ".join(str(doc or "").split("\n\n")[0].split())
        plugins = " ".join(f"`{kind}/`" for kind, place in ROOMS.items() if place == room)
        lines.append(f"| `{room}/` | {about} | {plugins} |")
    edges = "\n".join(f"  {room} --> {below}" for room, below in get_edges())
    return TEXT.replace("{edges}", edges).replace("{rooms}", "\n".join(lines))


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
