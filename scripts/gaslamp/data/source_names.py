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


def expand_home(text: str) -> Path:
    """``text`` as a path, with the home folder for ``~`` and ``~name``.

    Raises:
        GaslampError: there is no such user.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise GaslampError(
            f"{text!r}: this machine has no home folder of {text.partition('/')[0]!r}",
            "give the whole path, which begins with /",
            "a file whose name begins with ~: write ./ in front of it",
        ) from error


def get_lookup_error(text: str, error: OSError) -> GaslampError:
    """A path that cannot even be looked for: too long, or in a folder that is closed to this user."""
    shown = text if len(text) <= 120 else f"{text[:120]}..."
    return GaslampError(
        f"{shown!r} cannot be looked up: {error.strerror or error}",
        "give the path of a file or folder that you may read",
        "a set of the hub: hub:owner/name. No data yet in a new project: answer none",
    )


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

    Raises:
        GaslampError: a path that no file of this machine can have, or that may not be looked up.
    """
    path = root / expand_home(source)
    try:
        if path.exists() or "#" not in source:
            return path, None
    except OSError as error:
        raise get_lookup_error(source, error) from error
    name, _, part = source.partition("#")
    return root / expand_home(name), part or None


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
