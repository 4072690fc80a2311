"""Archives: their data files are unpacked to a folder of our own, by names of our own making."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import limits
from gaslamp.data.readers.hidden import is_hidden

ENDINGS = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tbz2", ".txz")
Member = tuple[str, int, Callable[[], IO[bytes] | None]]
"""Name, size in bytes, and what opens it."""


def is_archive(file: Path) -> bool:
    """Whether the name of a file is that of an archive."""
    return file.name.lower().endswith(ENDINGS)


def unpack(archive: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Unpack the files of an archive.

    Args:
        archive: .zip, or .tar in any compression.
        folder: an empty folder.

    Returns:
        The names of the files, below ``folder``, and of the hidden ones, which are not unpacked.

    Raises:
        GaslampError: it is damaged or locked, a member would land outside of ``folder``, or it is larger than any
        data set.
    """
    names: list[str] = []
    hidden: list[str] = []
    packed, total = archive.stat().st_size, 0
    free = shutil.disk_usage(folder).free
    with _open(archive) as members:
        for name, size, opener in members:
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                raise GaslampError(
                    f"{archive}: its member {name} leads out of the archive; nothing was unpacked from it",
                    "this archive may be an attack: take it from another place",
                    "pack the files again",
                )
            if is_hidden(path.parts):
                hidden.append(str(path))
                continue
            total += size
            if total > 100e6 and total > limits.MAX_ARCHIVE_RATIO * packed or total > limits.MAX_ARCHIVE:
                raise GaslampError(
                    f"{archive} unpacks to more than {total >> 20} MB from {packed >> 20} MB: no text does that",
                    "this is not a data set; do not open it with other programs",
                )
            if total > free:
                raise GaslampError(
                    f"{archive} unpacks to more than {total >> 20} MB, and {free >> 20} MB are free", "free some space"
                )
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            handle = opener()
            if handle is None:
                continue
            with handle, target.open("wb") as out:
                _copy(handle, out, size, archive, name)
            names.append(str(path))
    return names, hidden


def _copy(handle: IO[bytes], out: IO[bytes], size: int, archive: Path, name: str) -> None:
    done = 0
    while data := handle.read(limits.CHUNK):
        done += len(data)
        if done > size:
            raise GaslampError(
                f"{archive}: its member {name} is larger than it says", "this archive is damaged or an attack"
            )
        out.write(data)


@contextmanager
def _open(archive: Path) -> Iterator[Iterator[Member]]:
    """The regular files of an archive; damage while they are read becomes a GaslampError."""
    import lzma
    import zlib

    again = "download or pack it again"
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                yield _list_zip(packed)
        else:
            with closing(tarfile.open(archive)) as tar:
                yield _list_tar(tar)
    except RuntimeError as error:  # zipfile's word for a password
        raise GaslampError(
            f"{archive} is locked by a password", "unpack it, and set data.source to the folder"
        ) from error
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        OSError,
        zlib.error,
        lzma.LZMAError,
        NotImplementedError,
    ) as error:
        raise GaslampError(f"{archive} is damaged or no archive: {str(error).splitlines()[0][:200]}", again) from error


def _list_zip(packed: zipfile.ZipFile) -> Iterator[Member]:
    for info in packed.infolist():
        if not info.is_dir() and (info.external_attr >> 28) in (0, 8):  # no links
            yield info.filename, info.file_size, lambda info=info: packed.open(info)  # type: ignore[misc]


def _list_tar(tar: tarfile.TarFile) -> Iterator[Member]:
    for member in tar:
        if member.isreg():
            yield member.name, member.size, lambda member=member: tar.extractfile(member)  # type: ignore[misc]
