"""On the other machine, before anything is installed: which files of the bundle are missing, and putting them in place.

Standard library only, no import of this library, and no syntax newer than Python 3.8: it is sent alone, first.

    python3 unpack.py missing MANIFEST         prints the names that are not there with these bytes, as a JSON list
    python3 unpack.py place MANIFEST ARCHIVE   unpacks a tar file, checks every hash, deletes what is no longer
                                               listed, and prints what is missing still
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tarfile
from typing import IO

OWNED = ("scripts", "rules", "workflow", "profiles")
"""Folders that hold exactly the files of the bundle: an old module there would be imported."""
KNOWN = ".gaslamp/there/hashes.json"
"""path -> size, time and hash: large files are read once."""


def main(arguments: list[str]) -> int:
    """Run one of the two commands; a wrong hash ends with the code 4."""
    with open(arguments[1], encoding="utf-8") as handle:
        manifest = json.load(handle)
    known = read_known()
    if arguments[0] == "place":
        try:
            if not unpack(arguments[2], manifest):
                return 4
        except (tarfile.TarError, EOFError, OSError) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return 4
        finally:
            for name in os.listdir(os.path.dirname(arguments[2])):
                if name.endswith(".tar.gz") or (".tar.gz." in name and name.endswith(".part")):
                    os.remove(os.path.join(os.path.dirname(arguments[2]), name))
        clean(manifest)
    missing = [name for name, digest in sorted(manifest.items()) if get_hash(name, known) != digest]
    os.makedirs(os.path.dirname(KNOWN), exist_ok=True)
    with open(KNOWN + ".new", "w", encoding="utf-8") as handle:
        json.dump(known, handle)
    os.replace(KNOWN + ".new", KNOWN)
    print(json.dumps(missing))
    return 0


def unpack(file: str, manifest: dict[str, str]) -> bool:
    """Put the files of an archive in place; False when it holds something else."""
    with tarfile.open(file) as archive:
        for member in archive:
            if not member.isfile() or member.name not in manifest:
                print("not of the bundle: " + member.name, file=sys.stderr)
                return False
            source = archive.extractfile(member)
            assert source
            place(source, member.name, manifest[member.name])
    return True


def read_known() -> dict[str, list[object]]:
    """The hashes of the last call."""
    try:
        with open(KNOWN, encoding="utf-8") as handle:
            found: dict[str, list[object]] = json.load(handle)
            return found
    except (OSError, ValueError):
        return {}


def get_hash(name: str, known: dict[str, list[object]]) -> str | None:
    """The sha256 of a file; None when there is no such file."""
    try:
        state = os.stat(name)
    except OSError:
        return None
    mark = [state.st_size, state.st_mtime_ns, state.st_ino]
    if known.get(name, [None])[0] != mark:
        digest = hashlib.sha256()
        with open(name, "rb") as handle:
            for block in iter(lambda: handle.read(1 << 20), b""):
                digest.update(block)
        known[name] = [mark, digest.hexdigest()]
    return str(known[name][1])


def place(source: IO[bytes], name: str, digest: str) -> None:
    """Write one file at once, when its bytes are those that were promised."""
    folder = os.path.dirname(name) or "."
    os.makedirs(folder, exist_ok=True)
    found = hashlib.sha256()
    unfinished = os.path.join(folder, "." + os.path.basename(name) + ".new")
    with open(unfinished, "wb") as handle:
        for block in iter(lambda: source.read(1 << 20), b""):
            found.update(block)
            handle.write(block)
    if found.hexdigest() != digest:
        os.remove(unfinished)
        return
    os.replace(unfinished, name)
    forget_seals(name)


def forget_seals(name: str) -> None:
    """What a step wrote here under that name, or in a folder of it, was replaced by what came from home."""
    parts = name.split("/")
    for end in range(1, len(parts) + 1):
        seal = "/".join([".gaslamp", "seals", *parts[:end]]) + ".seal.json"
        if os.path.exists(seal):
            os.remove(seal)


def clean(manifest: dict[str, str]) -> None:
    """Delete the files of OWNED that the bundle does not list."""
    for top in OWNED:
        for folder, folders, names in os.walk(top):
            folders[:] = [one for one in folders if one != "__pycache__"]
            for name in names:
                file = os.path.join(folder, name)
                if file.replace(os.sep, "/") not in manifest:
                    os.remove(file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
