"""What ``data.source`` names, by its text alone: an embedded set, a hub id, a path, a path with a part of the file."""

from __future__ import annotations

import re
from pathlib import Path

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w-][\w.-]*")


def is_hub_id(source: str, root: Path = Path()) -> bool:
    """Whether ``data.source`` names a set on the hub.

    Written like org/name, and no path of that name is or seems to be meant.

    Args:
        source: the value of the config.
        root: the folder that relative paths start from.
    """
    if source.startswith("hf://"):
        return True
    path = root / source
    suffix = Path(source).suffix
    return (
        bool(HUB_ID.fullmatch(source))
        and not path.exists()
        and not path.parent.is_dir()
        and (not suffix or bool(re.fullmatch(r"\.\d\w*", suffix)))  # a version, not the ending of a file
    )


def split_part(source: str, root: Path = Path()) -> tuple[Path, str | None]:
    """The path of ``orders.xlsx#May``, and the part of the file behind ``#``: a sheet, a member of an archive, a list.

    A file whose own name has a ``#`` is itself.
    """
    path = root / Path(source).expanduser()
    if path.exists() or "#" not in source:
        return path, None
    name, _, part = source.partition("#")
    return root / Path(name).expanduser(), part or None
