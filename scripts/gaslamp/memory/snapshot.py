"""The frozen copy of the long-term memory that a new project starts with.

Standard library only: the cookiecutter hook imports this before anything is installed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TypedDict

FILES = ("user.json", "user.md", "lessons.json", "lessons.md", "skills.json", "skills.md")
FOLDER = ".gaslamp_context"


def get_home() -> Path:
    """The folder of the long-term memory: ``$GASLAMP_HOME``, else ``~/.gaslamp``."""
    return Path(os.environ.get("GASLAMP_HOME") or Path.home() / ".gaslamp").expanduser()


class FileFacts(TypedDict):
    """One file of a snapshot: its hash, its size, and the titles of its entries."""

    sha256: str
    bytes: int
    entries: list[str]


class Manifest(TypedDict):
    """Contents of manifest.json."""

    schema_version: int
    taken: str
    files: dict[str, FileFacts]


def take_snapshot(project: Path, home: Path) -> Manifest | None:
    """Copy the memory files of ``home`` to ``project/.gaslamp_context``, read-only, with a sha256 manifest; only once.

    Returns:
        The manifest: the new one, or that of an earlier snapshot, which is never overwritten; ``None`` when ``home``
        holds no memory, and then nothing is written.
    """
    folder = project / FOLDER
    if folder.exists():
        existing: Manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return existing
    found = [name for name in FILES if (home / name).is_file()]
    if not found:
        return None
    # written next to its place and renamed: a snapshot is complete or missing
    temporary = Path(tempfile.mkdtemp(dir=project, prefix=".gaslamp_context."))
    try:
        manifest: Manifest = {
            "schema_version": 1,
            "taken": datetime.now().astimezone().isoformat(timespec="seconds"),
            "files": {},
        }
        for name in found:
            data = (home / name).read_bytes()
            (temporary / name).write_bytes(data)
            (temporary / name).chmod(0o444)
            manifest["files"][name] = {
                "sha256": hashlib.sha256(data).hexdigest(),
                "bytes": len(data),
                "entries": _get_titles(name, data),
            }
        (temporary / "manifest.json").write_text(
            json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        (temporary / "manifest.json").chmod(0o444)
        temporary.chmod(0o755)
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return manifest


def _get_titles(name: str, data: bytes) -> list[str]:
    """The titles of the entries in a memory file; none where it cannot be read."""
    text = data.decode("utf-8", "replace")
    if name.endswith(".md"):
        return [line[3:].strip() for line in text.splitlines() if line.startswith("## ")]
    try:
        return [str(entry["title"]) for entry in json.loads(text)["entries"]]
    except (ValueError, KeyError, TypeError):
        return []
