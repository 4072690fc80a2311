"""Manifests of what lies in the user's cache: the sha256 of every file of a folder, checked before the folder is used.

The manifest stands next to the folder, as ``NAME.manifest.json``. Like a seal of a project (core/seals.py), a file
whose size, times and inode have not changed since it was last read in full is not read again. A damaged folder is set
aside, so that whoever needs it makes it again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, sha256_path, write_json
from gaslamp.core.seals import ASIDE, get_state

LEFT_OUT = ("__pycache__", ".lock")
"""Parts of paths that come and go in a folder that is whole."""


def record(folder: Path, place: Path | None = None, files_of: Iterable[Path] | None = None) -> None:
    """Write the manifest of a finished folder, and its bytes to the disk.

    Args:
        folder: complete.
        place: where it will be renamed to, when that is elsewhere.
        files_of: only these files of it; the others may change.
    """
    files, root = {}, folder.resolve()  # a cache may be reached through a link
    for file in sorted(root.rglob("*") if files_of is None else (one.resolve() for one in files_of)):
        if not file.is_relative_to(root):
            continue
        name = file.relative_to(root).as_posix()
        if file.is_file() and not file.is_symlink() and not any(part in name for part in LEFT_OUT):
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
            files[name] = {"sha256": sha256_path(file), "state": get_state(file)}
    write_json(get_manifest(place or folder), {"files": files})


def get_manifest(folder: Path) -> Path:
    """Where the manifest of a folder stands."""
    return folder.parent / f"{folder.name}.manifest.json"  # / has no name


def find_damage(folder: Path) -> dict[str, str]:
    """The files that are missing or not as they were recorded, and which of the two; empty without a manifest.

    Files that came later are none of its business.
    """
    manifest = get_manifest(folder)
    try:
        files = read_json(manifest)["files"]
        known = {str(name): (str(facts["sha256"]), list(facts["state"])) for name, facts in files.items()}
    except (GaslampError, KeyError, TypeError, AttributeError, UnicodeDecodeError):
        return {}
    damaged, changed = {}, False
    for name, (expected, state) in known.items():
        file = folder / name
        if not file.is_file():
            damaged[name] = "is missing"
            continue
        found = get_state(file)
        if found == state:
            continue
        if sha256_path(file) != expected:
            damaged[name] = "is not as it was written"
        else:
            files[name]["state"], changed = found, True
    if changed:
        write_json(manifest, {"files": files})
    return damaged


def set_aside(folder: Path) -> Path:
    """Rename a damaged folder, in the place of one that was set aside earlier, and forget its manifest."""
    aside = folder.with_name(folder.name + ASIDE)
    shutil.rmtree(aside, ignore_errors=True)
    os.replace(folder, aside)
    get_manifest(folder).unlink(missing_ok=True)
    return aside


def is_whole(folder: Path, files_of: Iterable[Path] | None = None) -> bool:
    """Whether a folder of the cache is there and undamaged; a damaged one is set aside, and that is said.

    Args:
        folder: of the cache; one of an earlier version, without a manifest, is taken as it is.
        files_of: those of its files that are recorded then.
    """
    if not folder.is_dir():
        return False
    if not get_manifest(folder).is_file():
        record(folder, files_of=files_of)
    damaged = find_damage(folder)
    if damaged:
        aside = set_aside(folder)
        say(f"{folder} is damaged ({describe(damaged)}): set aside as {aside.name} and made again")
    return not damaged


def describe(damaged: Mapping[str, str]) -> str:
    """The first of the damaged files, and how many more there are."""
    first = ", ".join(f"{name} {what}" for name, what in list(damaged.items())[:2])
    return f"{first} and {len(damaged) - 2} more" if len(damaged) > 2 else first


def find_damaged_uses(records: Iterable[Path]) -> list[tuple[Path, str]]:
    """Which of a project's records name a place in the cache that is damaged, and how.

    Args:
        records: JSON files with paths (model.json, toolchain.json).
    """
    found = []
    for file in records:
        try:
            paths = {Path(text) for text in _list_texts(read_json(file)) if text.startswith("/")}
        except (GaslampError, UnicodeDecodeError):
            continue  # its seal is checked elsewhere
        for folder in sorted({parent for path in paths for parent in (path, *path.parents)}):
            if get_manifest(folder).is_file() and (damaged := find_damage(folder)):
                found.append((file, f"{folder} is damaged ({describe(damaged)})"))
    return found


def _list_texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _list_texts(each)
