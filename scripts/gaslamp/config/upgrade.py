"""``make upgrade``: shows what a newer version changes, then replaces the pinned files of a project."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gaslamp.config.pin import RECORD, check_pin, get_pin, read_record
from gaslamp.config.scaffold import bake, link_profiles
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_json


@dataclass
class Upgrade:
    """What a newer version changes in a project; paths are relative to it."""

    pinned: str
    new_version: str
    replaced: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    """Edited or missing files that FORCE=1 writes again."""
    changelog: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether the pinned files are those of the new version already."""
        return not (self.replaced or self.new or self.removed or self.restored)


def upgrade_project(
    project: Path,
    source: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    show: Callable[[Upgrade], None] = lambda upgrade: None,
) -> Upgrade:
    """Replace the pinned files by those of a newer version; config, data and results stay as they are.

    Args:
        project: a generated project.
        source: path or git URL of the repository; ``None``: where the project came from.
        force: replace edited files too.
        dry_run: replace nothing.
        show: called with the changes before the first file is replaced.

    Raises:
        GaslampError: pinned files were edited, or the repository cannot be read.
    """
    record, changes = read_record(project), check_pin(project)
    edited = changes["edited"] + changes["missing"]
    if edited and not force and not dry_run:
        raise GaslampError(
            f"{len(edited)} pinned files were edited: {', '.join(edited[:8])}{' ...' if len(edited) > 8 else ''}",
            "keep your edits elsewhere (an added plug-in file stays), then: make upgrade FORCE=1",
            "the edits are meant to stay: do not upgrade this project",
        )
    with tempfile.TemporaryDirectory(prefix="gaslamp-upgrade-") as temporary:
        fresh = bake(source or record["source"], record["answers"], Path(temporary))
        new = read_record(fresh)
        old, files = record["files"], new["files"]
        upgrade = Upgrade(
            pinned=record["version"],
            new_version=new["version"],
            replaced=[name for name in files if name in old and old[name] != files[name]],
            new=[name for name in files if name not in old],
            removed=[name for name in old if name not in files],
            restored=[name for name in edited if files.get(name) == old[name]],
            changelog=read_changelog(find_changelog(new["source"]), record["version"]),
        )
        show(upgrade)
        if dry_run:
            return upgrade
        added = [name for name in changes["added"] if name in files]
        found = get_pin(project) if added else {}
        clashes = [name for name in added if files[name] != found[name]]
        if clashes and not force:
            raise GaslampError(
                f"the new version brings files that you added: {', '.join(clashes)}",
                "rename yours, or: make upgrade FORCE=1",
            )
        for name in files:
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            partial = (project / name).with_name(f".{Path(name).name}.new")
            shutil.copy2(fresh / name, partial)
            os.replace(partial, project / name)  # a kill leaves whole files, old or new
        for name in upgrade.removed:
            (project / name).unlink(missing_ok=True)
    link_profiles(project)
    upgraded = datetime.now().astimezone().isoformat(timespec="seconds")
    write_json(
        project / RECORD,
        {**record, "version": new["version"], "source": new["source"], "upgraded": upgraded, "files": files},
    )
    return upgrade


def find_changelog(source: str) -> Path | None:
    """CHANGELOG.md of the repository at ``source``: a folder, or what cookiecutter cloned from a URL."""
    folder = Path(source).expanduser()
    if not folder.is_dir():
        from cookiecutter.config import get_user_config

        name = re.split(r"[/:]", source.rstrip("/"))[-1].removesuffix(".git")
        folder = Path(get_user_config()["cookiecutters_dir"]) / name
    file = folder / "CHANGELOG.md"
    return file if file.is_file() else None


def read_changelog(file: Path | None, pinned: str) -> str:
    """The sections of a changelog that are newer than the version ``pinned``;
    empty without a file or a newer section.
    """
    if file is None:
        return ""
    sections = re.split(r"^(?=## )", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    newer = []
    for section in sections:
        if re.match(rf"## \[?v?{re.escape(pinned)}\b(?![.\w])", section):
            break
        if "\n" in section.strip():  # not an empty "Unreleased"
            newer.append(section.strip())
    return "\n\n".join(newer)


def get_room(name: str) -> str:
    """The room that a pinned file belongs to: ``rules/train.smk`` and ``scripts/gaslamp/train/run.py`` -> ``train``."""
    parts = Path(name).parts
    if parts[:2] == ("scripts", "gaslamp") and len(parts) > 3:
        return parts[2]
    if parts[0] == "rules":
        return Path(name).stem
    return parts[0]


def group_by_room(upgrade: Upgrade) -> dict[str, list[str]]:
    """Room -> its files, each with what happens to it (changed, new, removed, restored); rooms sorted by name."""
    rooms: dict[str, list[str]] = {}
    kinds = {"changed": upgrade.replaced, "new": upgrade.new, "removed": upgrade.removed, "restored": upgrade.restored}
    for kind, names in kinds.items():
        for name in names:
            rooms.setdefault(get_room(name), []).append(f"{kind:8} {name}")
    return dict(sorted(rooms.items()))
