"""Seals: the sha256 of every file that a step wrote, checked before another step, the server or a push uses it.

A seal is a JSON file below ``.gaslamp/seals``, at the path of what it is about. A full check reads every byte. A quick
one trusts a file whose size, times and inode are those of the last full check; the time of the last change of the inode
(ctime) is among them, which no program can set back. Small files are kept as a copy too, so that a damaged one is put
back as it was.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, sha256_path, write_json

STORE = Path(".gaslamp") / "seals"
COPIED = 1_000_000
"""Bytes up to which a file is kept as a copy."""
ASIDE = ".set-aside"
OWN = (".snakemake_timestamp",)
"""What Snakemake puts into a folder that a rule wrote."""


UNREADABLE = (GaslampError, KeyError, TypeError, AttributeError, UnicodeDecodeError)
"""What reading a damaged seal raises."""


@dataclass
class SealedFile:
    """A file as its step left it, and as it was on the disk when it was last read in full.

    Attributes:
        state: size, times (ns) of change of content and of inode, inode; empty: read it in full next time.
        copied: a copy of it lies in the store.
    """

    sha256: str
    state: list[int] = field(default_factory=list)
    copied: bool = False


@dataclass
class Seal:
    """What a step wrote at one path: a file (its name is empty), or the files of a folder by their path in it.

    Plain values, since the interview runs where pydantic is not installed.
    """

    step: str
    written: str
    files: dict[str, SealedFile]

    @classmethod
    def read(cls, place: Path) -> Seal:
        """Raises GaslampError, KeyError or TypeError for what is no seal."""
        value = read_json(place)
        files = {name: SealedFile(**facts) for name, facts in value["files"].items()}
        return cls(str(value["step"]), str(value["written"]), files)

    def write(self, place: Path) -> None:
        """Write it atomically."""
        write_json(place, asdict(self))


@dataclass(frozen=True)
class Damage:
    """A path that is not as its step left it.

    Attributes:
        path: of the file, or of the folder.
        step: that wrote it.
        what: what differs.
        files: those that differ, by their name in the seal.
    """

    path: Path
    step: str
    what: str
    files: list[str] = field(default_factory=list)


def seal(path: Path, step: str) -> None:
    """Record what ``step`` wrote at ``path``, a file or folder of the project in the current folder.

    What lies outside of the project, is no project, or is not there has no seal.
    """
    place = _get_place(path)
    if place is None or not path.exists():
        return
    names = [""] if path.is_file() else sorted(_list_names(path))
    copies = _get_copies(path)
    shutil.rmtree(copies, ignore_errors=True)
    files = {}
    for name in names:
        file = path / name if name else path
        copied = file.stat().st_size <= COPIED
        if copied:
            _copy(file, copies / (name or "file"))
        files[name] = SealedFile(sha256=sha256_path(file), state=get_state(file), copied=copied)
    Seal(step, datetime.now().astimezone().isoformat(timespec="seconds"), files).write(place)


def unseal(path: Path) -> None:
    """Forget the seal of ``path``: its step writes it again, and may be killed before it is whole."""
    place = _get_place(path)
    if place is not None:
        place.unlink(missing_ok=True)
        shutil.rmtree(_get_copies(path), ignore_errors=True)


def find_damage(path: Path, full: bool = False) -> list[Damage]:
    """What is damaged at ``path``, or below it when it is a folder of several steps.

    Args:
        path: a file or folder of the project in the current folder; without a seal nothing is known to be wrong.
        full: read every byte, also of a file that looks as it did at the last full check.
    """
    return [damage for each in _list_sealed(path) if (damage := _check(each, full))]


def require_intact(paths: Iterable[Path], full: bool = False) -> None:
    """Refuse files that are not as their steps left them.

    Raises:
        GaslampError: names each of them, and the command that makes it again.
    """
    found = [damage for path in paths for damage in find_damage(path, full)]
    if not found:
        return
    raise GaslampError(
        "; ".join(f"{damage.path} is not as {damage.step} left it ({damage.what})" for damage in found),
        "run snakemake again: what is damaged is set aside and made again"
        + (" (a training goes on from its last checkpoint)" if any("train" in each.step for each in found) else ""),
        "the disk or its connection is failing: look into its own messages (dmesg, smartctl) before you trust it",
    )


def restore(places: Iterable[Path], dry_run: bool = False, wanted: Iterable[Path] = ()) -> list[str]:
    """Put damaged small files back from their copies, and set aside the others, so that their steps run again.

    A copy has the time of its file: no step runs again because of it.

    For the start of a run, while no step works in the project.

    Args:
        places: files and folders of the run.
        dry_run: only say what is damaged.
        wanted: files that are put back when they were deleted; any other deleted file is for its step to make.

    Returns:
        One line for each damaged path.
    """
    lines = []
    for path in wanted:
        if (damage := _find_deleted(path)) and (dry_run or _put_back(damage)):
            lines.append(f"{path} was deleted: {'a run puts it back' if dry_run else 'put back'} from its copy")
    for damage in [damage for place in places for damage in find_damage(place)]:
        found = f"{damage.path} is not as {damage.step} left it ({damage.what})"
        if dry_run:
            lines.append(f"{found}: a run puts it back or makes it again")
        elif _put_back(damage):
            lines.append(f"{found}: put back from its copy")
        else:
            aside = damage.path.with_name(damage.path.name + ASIDE)
            shutil.rmtree(aside) if aside.is_dir() and not aside.is_symlink() else aside.unlink(missing_ok=True)
            damage.path.rename(aside)
            unseal(damage.path)
            lines.append(f"{found}: set aside as {aside.name} and made again")
    return lines


def _find_deleted(path: Path) -> Damage | None:
    """A sealed file that is gone from its folder, with a copy; without its folder it is a new start."""
    place = _get_place(path)
    if place is None or os.path.lexists(path) or not path.parent.is_dir() or not (_get_copies(path) / "file").is_file():
        return None
    try:
        return Damage(path, Seal.read(place).step, "deleted", [""])
    except UNREADABLE:
        return None


def _put_back(damage: Damage) -> bool:
    """Whether every damaged file of ``damage`` was put back from its copy, with the time that it had."""
    known = Seal.read(_need_place(damage.path))
    copies = _get_copies(damage.path)
    for name in damage.files:
        copy = copies / (name or "file")
        if (
            name not in known.files
            or not known.files[name].copied
            or not copy.is_file()
            or sha256_path(copy) != known.files[name].sha256
        ):
            return False
    for name in damage.files:
        file = damage.path / name if name else damage.path
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        _copy(copies / (name or "file"), file)
        if state := known.files[name].state:  # a project that was copied has later times than its copies here
            os.utime(file, ns=(state[1], state[1]))
        known.files[name].state = get_state(file)
    known.write(_need_place(damage.path))
    return True


def _check(path: Path, full: bool) -> Damage | None:
    """Compare ``path`` with its seal; what is missing as a whole is no damage: its step runs again."""
    place = _need_place(path)
    try:
        known = Seal.read(place)
    except UNREADABLE:
        place.unlink(missing_ok=True)  # the seal itself is damaged: nothing is known
        return None
    if not os.path.lexists(path):
        return None
    changed, wrong, reasons = False, [], []
    for name, expected in known.files.items():
        file = path / name if name else path
        if not file.is_file():
            reason = f"{name or path.name} is missing" if not file.exists() else f"{name or path.name} is no file"
        else:
            state = get_state(file)
            if state == expected.state and not full:
                continue
            found = sha256_path(file)
            if found == expected.sha256:
                if state != expected.state:
                    expected.state, changed = state, True
                continue
            reason = f"sha256{' of ' + name if name else ''} {found[:12]}… instead of {expected.sha256[:12]}…"
        expected.state, changed = [], True  # so that the next quick check finds it too
        wrong.append(name)
        reasons.append(reason)
    if changed:
        known.write(place)
    return Damage(path, known.step, "; ".join(reasons), wrong) if wrong else None


def _copy(source: Path, target: Path) -> None:
    """Copy bytes and times; ``target`` is whole or not there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copy2(source, unfinished)
    os.replace(unfinished, target)


def get_state(file: Path) -> list[int]:
    """Size, times (ns) of change of content and of inode, and inode of a file."""
    facts = file.stat()
    return [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]


def _list_names(folder: Path) -> Iterator[str]:
    for file in folder.rglob("*"):
        if file.is_file() and file.name not in OWN:
            yield file.relative_to(folder).as_posix()


def _list_sealed(path: Path) -> list[Path]:
    """The sealed paths at and below ``path``."""
    place = _get_place(path)
    if place is None:
        return []
    relative = _get_relative(path)
    below = sorted((STORE / relative).rglob("*.seal.json")) if relative is not None else []
    inside = [file.relative_to(STORE) for file in below if file != place]
    found = [Path(*file.parts[:-1], file.name.removesuffix(".seal.json")) for file in inside]
    return [*([path] if place.is_file() else []), *found]


def _get_relative(path: Path) -> Path | None:
    """``path`` seen from the project in the current folder; None when it lies elsewhere, or no project is here."""
    if not (Path("logs").is_dir() and Path("config.yaml").is_file()):
        return None
    try:
        relative = Path(os.path.abspath(path)).relative_to(Path.cwd())
    except ValueError:
        return None
    return relative if relative.parts else None


def _get_place(path: Path) -> Path | None:
    relative = _get_relative(path)
    return None if relative is None else (STORE / relative).with_name(relative.name + ".seal.json")


def _need_place(path: Path) -> Path:
    place = _get_place(path)
    assert place is not None, path
    return place


def _get_copies(path: Path) -> Path:
    """The folder with the copies of the small files of ``path``."""
    place = _need_place(path)
    return place.with_name(place.name.removesuffix(".json") + ".copies")
