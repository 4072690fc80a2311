"""What goes to the other machine: exactly the files that a step needs, by content; what is there is not sent again."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from gaslamp.config.base_models import is_local
from gaslamp.config.load import read_yaml
from gaslamp.config.pin import get_pin
from gaslamp.core.console import get_size, say
from gaslamp.core.contracts import ModelFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import sha256_bytes, sha256_path, write_text
from gaslamp.core.registry import ROOMS
from gaslamp.remote.driver import CommandFailed, Machine, RemoteError

CONFIG = ".gaslamp/remote-config.yaml"
"""The merged config over there."""
MANIFEST, UNPACK = ".gaslamp/there/manifest.json", ".gaslamp/there/unpack.py"
LARGE = 64_000_000
"""Bytes from which a file travels alone, so that a cut transfer goes on in the middle of it."""
DATA_FILES = ("train.jsonl", "valid.jsonl", "test.jsonl", "template.json", "card.json")
NOT_SENT = ("raw",)
"""Folders of data/ that stay: the user's own files."""
NAMED = (("eval", "retention_file"), ("export", "calibration"))
"""Keys of the config whose values are files that a step reads."""
HOME_KEYS = ("remote", "train_python", "dashboard", "deploy", "reflect", "plan")
"""Sections of the config that no step over there reads."""


@dataclass
class Bundle:
    """Name over there -> a file here, or bytes that are made for there."""

    files: dict[str, Path | bytes] = field(default_factory=dict)

    def get_manifest(self) -> dict[str, str]:
        """Name -> sha256."""
        return {
            name: sha256_bytes(source) if isinstance(source, bytes) else sha256_path(source)
            for name, source in sorted(self.files.items())
        }


def make_bundle(project: Path, config: Path, backend: str, inputs: Iterable[Path]) -> Bundle:
    """The bundle of one step.

    Args:
        project: its folder.
        config: the merged config of the run.
        backend: what trains over there; it replaces the one of the config.
        inputs: files and folders that the command names, relative to the project.
    """
    bundle = Bundle()
    for name in get_pin(project):
        bundle.files[name] = project / name
    for name in ("pyproject.toml",):
        if (project / name).is_file():
            bundle.files[name] = project / name
    for kind in ROOMS:  # the project's own plug-ins
        for file in _walk(project / kind):
            bundle.files[file.relative_to(project).as_posix()] = file
    bundle.files[CONFIG] = make_config(config, backend).encode()
    for place in (*inputs, *get_named_files(project, config)):
        for name, source in get_input(project, place).items():
            bundle.files[name] = source
    return bundle


def make_config(config: Path, backend: str) -> str:
    """The config for there: with the backend that trains there, without what only this machine reads."""
    values = {key: value for key, value in read_yaml(config).items() if key not in HOME_KEYS}
    return yaml.safe_dump({**values, "backend": backend}, allow_unicode=True, sort_keys=False)


def get_named_files(project: Path, config: Path) -> list[Path]:
    """Files of the project that the config names and no command line does (NAMED)."""
    values = read_yaml(config)
    named = [(values.get(section) or {}).get(key) for section, key in NAMED]
    return [Path(name) for name in named if name and not Path(name).is_absolute() and (project / name).is_file()]


def get_input(project: Path, place: Path) -> dict[str, Path | bytes]:
    """The files behind one argument of a step: a model with its weights, rows with their pictures, a folder whole."""
    if place.name == "model.json":
        return get_model(project, place)
    found: dict[str, Path | bytes] = {}
    files = _walk(project / place)
    if place.suffix == ".jsonl" and place.parts[0] == "data":
        files += [file for folder in (project / place.parent).iterdir() for file in _walk_media(folder)]
    for file in files:
        found[file.relative_to(project).as_posix()] = file
    return found


def get_model(project: Path, place: Path) -> dict[str, Path | bytes]:
    """A local model (a folder, a merged start) with its weights; empty where it is fetched over there."""
    facts = ModelFacts.read(project / place)
    if is_fetched_there(facts):
        return {}
    folder = Path(facts.path)
    inner = f"{place.parent.as_posix()}/files"
    files: dict[str, Path | bytes] = {
        f"{inner}/{file.relative_to(folder).as_posix()}": file
        for file in _walk(folder)
        if file.suffix in (".json", ".safetensors", ".model", ".jinja", ".txt") or file.name.startswith("LICENSE")
    }
    facts.path = inner
    files[place.as_posix()] = json.dumps(facts.model_dump(), indent=2, ensure_ascii=False).encode()
    return files


def is_fetched_there(facts: ModelFacts) -> bool:
    """Whether the other machine gets the model by itself: from the hub, or as a package."""
    return not facts.starts and not is_local(facts.source)


def _walk(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return sorted(
        file
        for file in place.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.name != ".snakemake_timestamp"
    )


def _walk_media(folder: Path) -> list[Path]:
    """Pictures and recordings that the rows name, next to them; not the user's own files and not another stage."""
    is_media = folder.is_dir() and folder.name not in NOT_SENT and not folder.name.startswith(".")
    return _walk(folder) if is_media and not (folder / "train.jsonl").is_file() else []


def send(machine: Machine, bundle: Bundle, python: str, retry: Callable[[Callable[[], object]], object]) -> str:
    """Send what is not there, and return the hash of the whole bundle.

    Args:
        machine: to send to.
        bundle: all that must be there.
        python: an interpreter over there; Python 3.8 is enough.
        retry: runs a transfer again where that helps.

    Raises:
        RemoteError: a disk that is full, a connection that stays away.
    """
    manifest = bundle.get_manifest()
    with tempfile.TemporaryDirectory(prefix="gl-bundle-") as scratch:
        listed = Path(scratch, "manifest.json")
        text = json.dumps(manifest, indent=0)
        write_text(listed, text)
        own = Path(__file__).with_name("unpack.py")
        retry(lambda: machine.put(listed, MANIFEST))
        retry(lambda: machine.put(own, UNPACK))
        missing = [name for name in _ask(machine, [python, UNPACK, "missing", MANIFEST], retry) if name in manifest]
        sent, total, left = len(missing), sum(_get_length(bundle.files[name]) for name in missing), missing
        for _ in range(2):  # once more for a part that was continued with other bytes
            left = _send_files(machine, bundle, left, python, Path(scratch), retry) if left else []
        if left:
            raise RemoteError("network", f"did not arrive whole: {', '.join(left)}", "run the same command")
    kept = len(manifest) - sent
    say(f"sent {sent} files, {get_size(total)}" + (f"; {kept} were there already" if kept else ""))
    return sha256_bytes(text.encode())


def _send_files(
    machine: Machine,
    bundle: Bundle,
    names: list[str],
    python: str,
    scratch: Path,
    retry: Callable[[Callable[[], object]], object],
) -> list[str]:
    """Send files, large ones alone and the others in one archive; those that did not arrive whole."""
    small: dict[str, Path | bytes] = {}
    for name in names:
        source = bundle.files[name]
        if isinstance(source, Path) and source.stat().st_size >= LARGE:
            retry(lambda source=source, name=name: machine.put(source, name))  # type: ignore[misc]
        else:
            small[name] = source
    archive = scratch / "parts.tar.gz"
    write_archive(archive, small)
    there = f".gaslamp/there/{sha256_path(archive)[:16]}.tar.gz"
    retry(lambda: machine.put(archive, there))
    return [name for name in _ask(machine, [python, UNPACK, "place", MANIFEST, there], retry) if name in bundle.files]


def _ask(machine: Machine, command: list[str], retry: Callable[[Callable[[], object]], object]) -> list[str]:
    def call() -> object:
        try:
            return machine.run(command, 3600)
        except CommandFailed as error:
            if "No space left" in error.output:
                raise RemoteError(
                    "disk",
                    f"the disk of {machine.lease.machine} is full",
                    f"free space in {machine.lease.folder} there, then the same command",
                    "put remote.folder on a larger disk",
                ) from error
            if error.status == 4:  # not an archive of this bundle, or one that was cut
                raise RemoteError("network", error.output.strip()[-300:], "run the same command") from error
            raise

    lines = retry(call)
    assert isinstance(lines, list)
    try:
        return [str(name) for name in json.loads(lines[-1])]
    except (IndexError, TypeError, ValueError, RecursionError) as error:
        raise RemoteError(
            "network",
            f"{machine.lease.machine} answers with other words than a list of files: {' '.join(lines)[-200:]!r}",
            "run the same command",
            "a start file there, such as .bashrc, prints: it must not",
        ) from error


def write_archive(archive: Path, files: Mapping[str, Path | bytes]) -> None:
    """One .tar.gz with these names and contents."""
    # without times and with one name: the same parts are the same bytes, so that a cut transfer goes on
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("parts", "wb", compresslevel=3, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as handle,
    ):
        for name, source in files.items():
            info = tarfile.TarInfo(name)
            info.size = _get_length(source)
            info.mode = 0o644
            if isinstance(source, bytes):
                handle.addfile(info, io.BytesIO(source))
            else:
                with source.open("rb") as content:
                    handle.addfile(info, content)


def _get_length(source: Path | bytes) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def get_inputs(command: Iterable[str], outputs: Iterable[str]) -> list[Path]:
    """The arguments of a step that are files or folders of this project.

    Raises:
        GaslampError: one lies outside of the project.
    """
    found, made = [], set(outputs)
    for part in command:
        if part in made or part.startswith("-") or not Path(part).exists() or part.endswith(".py"):
            continue
        if Path(part).is_absolute() or ".." in Path(part).parts:
            raise GaslampError(
                f"{part} lies outside of the project: a step over there cannot read it",
                "copy it into the project folder, and name it relative to that",
            )
        found.append(Path(part))
    return found
