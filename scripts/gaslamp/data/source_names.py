"""What ``data.source`` names, by its text alone: an embedded set, a hub id, a path, a path with a part of the file."""

from __future__ import annotations

import re
from pathlib import Path

from gaslamp.core.errors import GaslampError

WAITING = "data/raw/README"
"""Says which data a project without data waits for; `make data` removes it once there is some."""
GENERATED = "data/generated/rows.jsonl"
"""The rows of data.generate; as data.source they are all the data, else they are added to the training rows."""
LABELS = "gaslamp-labels.jsonl"
"""The file of `make label` in data/raw: data.labelled reads it, unless it is all the data."""
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


def has_data(folder: Path) -> bool:
    """Whether a folder holds a file, apart from hidden ones and the note of a project that waits for data."""
    files = (file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    return any(file.parent != folder or file.name != Path(WAITING).name for file in files)


def get_no_data(project: Path) -> GaslampError:
    """What is wrong with a project whose data is still to come: the columns that it waits for, as its note says."""
    note = (project / WAITING).read_text(encoding="utf-8")
    columns = next((line.partition(":")[2].strip() for line in note.splitlines() if line.startswith("Columns:")), "")
    return GaslampError(
        f"there is no data yet: {Path(WAITING).parent} is empty",
        f"put a file with the columns {columns or 'of your rows'} there, then: make data; {WAITING} has an example",
        "the data is elsewhere: data.source in config.yaml names a file, a folder, a hub id or embedded:NAME; there is "
        "none: make label writes rows by hand, make generate has a model write them",
    )
