"""The archive of a run that somebody sent: its roadbook and files, unpacked for as long as they are read."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import sha256_path

ROADBOOK = "gaslamp.md"
METADATA = "ro-crate-metadata.json"


@contextmanager
def open_crate(file: Path) -> Iterator[Path]:
    """The roadbook in a crate, a .zip or a folder; any other file is a roadbook by itself.

    Raises:
        GaslampError: the archive is damaged or changed, has no roadbook, or names a place outside of itself.
    """
    if file.is_dir():
        yield file / ROADBOOK
        return
    if not zipfile.is_zipfile(file):
        if file.suffix == ".zip":
            raise GaslampError(f"{file} is no whole .zip archive", "get it once more, or ask for it again")
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="gaslamp-crate-") as name, zipfile.ZipFile(file) as archive:
        if ROADBOOK not in archive.namelist() or METADATA not in archive.namelist():
            raise GaslampError(
                f"{file} is no crate of a run: it has no {ROADBOOK} or no {METADATA}",
                "make export-crate in the project of the run writes one",
            )
        for member in archive.infolist():
            place = PurePosixPath(member.filename)
            if (
                place.is_absolute()
                or ".." in place.parts
                or "\\" in member.filename
                or not member.filename.isprintable()
            ):
                raise GaslampError(
                    f"{file} names {member.filename!r}, a place outside of itself",
                    "trust nothing in it; ask for another",
                )
        try:
            archive.extractall(name)
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise GaslampError(
                f"{file} cannot be unpacked: {error}", "get it once more, or ask for it again"
            ) from error
        if wrong := find_changed(Path(name)):
            raise GaslampError(
                f"{file} is not as it was written\n" + "\n".join(f"    - {text}" for text in wrong),
                "get it once more, or ask for it again",
                "somebody changed it: trust nothing in it",
            )
        yield Path(name) / ROADBOOK


def find_changed(folder: Path) -> list[str]:
    """A sentence for each file or folder of an unpacked crate whose sha256 is not that of its metadata."""
    try:
        graph = json.loads((folder / METADATA).read_text(encoding="utf-8"))["@graph"]
        expected = {one["@id"]: one["sha256"] for one in graph if "sha256" in one and not one["@id"].startswith("#")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [f"{METADATA} cannot be read: {type(error).__name__}"]
    missing = [f"{name} is missing" for name in expected if not (folder / name).exists()]
    return missing + [
        f"{name} is another one"
        for name, digest in expected.items()
        if (folder / name).exists() and sha256_path(folder / name) != digest
    ]
