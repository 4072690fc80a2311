"""What comes from another machine: unpacked apart, checked, and put only where something was requested.

The other machine may be shared, rented or broken, so no name that comes from there is trusted: neither the members of
an archive nor a list of files.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gaslamp.core.errors import GaslampError

FIX = "run nothing more there before you know why: make remote-stop, then read the log of the step; no file was changed"
OTHER = "another version of gaslamp runs there: delete the project's folder there, then the same command"


class ForeignFile(GaslampError):
    """The other machine sent what nobody requested."""


@dataclass(frozen=True)
class Arrival:
    """Files that are unpacked and checked, but not in place.

    Args:
        staging: folder that holds them, under their names.
        files: their names, relative to the project.
    """

    staging: Path
    files: tuple[Path, ...]

    def find_missing(self, names: Iterable[str]) -> list[str]:
        """Those of ``names`` (files or folders) of which nothing came."""
        return [name for name in names if not any(is_in(file, Path(name)) for file in self.files)]

    def place(self, replaced: Iterable[str] = ()) -> None:
        """Move the files into the project.

        Args:
            replaced: files and folders that are deleted first, so that nothing older stays in them.
        """
        for name in replaced:
            old = Path(name)
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
            else:
                old.unlink(missing_ok=True)
        for file in self.files:
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(self.staging / file, file)
        shutil.rmtree(self.staging)


def is_in(file: Path, place: Path) -> bool:
    """Whether ``file`` is ``place`` or lies below it; nothing lies below an empty name."""
    return place != Path() and file.is_relative_to(place)


def require_wanted(names: Iterable[str], wanted: Sequence[Path], source: str) -> list[Path]:
    """The names as paths of the project.

    Args:
        names: as they came from the other machine.
        wanted: files and folders that were requested, relative to the project.
        source: where the names stand, for the error.

    Raises:
        ForeignFile: a name is absolute, leaves its folder, is not printable, or is not below one of ``wanted``.
    """
    return [_require_one(name, wanted, source) for name in names]


def _require_one(name: str, wanted: Sequence[Path], source: str) -> Path:
    place = PurePosixPath(name)
    is_inside = name.isprintable() and "\\" not in name and not place.is_absolute() and ".." not in place.parts
    if not is_inside or not any(is_in(Path(place), one) for one in wanted):
        requested = ", ".join(one.as_posix() for one in wanted if one != Path())
        raise ForeignFile(f"{source} names {name!r}, which was not requested (requested: {requested})", FIX, OTHER)
    return Path(place)


def unpack(archive: Path, staging: Path, wanted: Sequence[Path], listed: Iterable[str] = ()) -> Arrival:
    """Unpack an archive of another machine into ``staging``, which is emptied first; the project is not touched.

    Args:
        archive: tar file.
        staging: folder for the files.
        wanted: files and folders that were requested, relative to the project.
        listed: names that must be in the archive.

    Raises:
        ForeignFile: a name outside of ``wanted``, a link or a device, or an archive without a file of ``listed``.
        GaslampError: it is not a whole archive, or the disk has no space for it.
    """
    expected = require_wanted(listed, wanted, f"the list of files of {archive.name}")
    shutil.rmtree(staging, ignore_errors=True)
    files: dict[Path, None] = {}
    try:
        with tarfile.open(archive) as handle:
            for member in handle:
                if member.isdir():
                    continue  # the folder of a file is made with it
                place = _require_one(member.name, wanted, archive.name)
                if not member.isfile():
                    raise ForeignFile(f"{archive.name} holds {member.name!r}, which is a link or a device", FIX, OTHER)
                handle.extract(member, staging, filter="data")
                files[place] = None
        if absent := [place.as_posix() for place in expected if place not in files]:
            raise ForeignFile(f"{archive.name} lacks {', '.join(absent[:5])}, which it lists", FIX, OTHER)
    except (tarfile.TarError, EOFError, OSError) as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise GaslampError(
            f"{archive} is not a whole archive, or cannot be unpacked: {error}",
            "get it once more: the same command (from a notebook: download it again)",
            f"the disk is full: free some space on the disk of {staging.parent}",
        ) from error
    except ForeignFile:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return Arrival(staging, tuple(files))
