"""Checkpoints of the TRL engine: which files make one complete, and the newest one that a training can resume from."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from gaslamp.core.console import say
from gaslamp.core.files import sha256_path, write_json
from gaslamp.core.processes import get_count

ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json")
STATE_FILES = ("optimizer.pt", "scheduler.pt", "trainer_state.json")
HASHES = "sha256.json"
"""File of a checkpoint: name -> sha256 of the other files, as they were saved."""
HASHED_BYTES = 4_000_000_000
"""Larger files are not hashed: reading them back would hold up the training at every checkpoint."""


def record_hashes(checkpoint: Path) -> None:
    """Write the hashes of a checkpoint that was just saved.

    Other processes of the training may still write their random states, rng_state_<rank>.pth; they are zip files, which
    have checksums of their own.
    """
    files = [file for file in sorted(checkpoint.iterdir()) if file.is_file() and not file.name.startswith("rng_state_")]
    small = [file for file in files if file.name != HASHES and file.stat().st_size <= HASHED_BYTES]
    write_json(checkpoint / HASHES, {file.name: sha256_path(file) for file in small})


def find_damage(checkpoint: Path) -> str | None:
    """Which files are not those that were saved, or ``None``; a checkpoint of an earlier version has no hashes."""
    hashes = checkpoint / HASHES
    try:
        known: dict[str, str] = json.loads(hashes.read_text(encoding="utf-8")) if hashes.is_file() else {}
        other = [name for name, value in known.items() if sha256_path(checkpoint / name) != value]
    except (ValueError, AttributeError):
        return f"damaged: {HASHES}"
    return f"damaged: {', '.join(other)}" if other else None


def get_state_files() -> tuple[str, ...]:
    """Files of a checkpoint besides the weights: each process has a random state of its own."""
    count = get_count()
    return (*STATE_FILES, *(["rng_state.pth"] if count == 1 else [f"rng_state_{rank}.pth" for rank in range(count)]))


def get_step(checkpoint: Path) -> int:
    """Step of a folder ``checkpoint-<step>``."""
    return int(checkpoint.name.removeprefix("checkpoint-"))


def find_checkpoint(folder: Path, check: Callable[[Path], str | None] | None = None) -> Path | None:
    """The newest complete checkpoint in ``folder``.

    An incomplete one (a kill while it was written) is skipped and logged.

    Args:
        folder: with checkpoint-<step> folders.
        check: returns what makes a checkpoint unusable, or ``None``; the backend's own, or ``check_checkpoint``.
    """
    check = check or check_checkpoint
    found = sorted(
        (path for path in folder.glob("checkpoint-*") if path.name[11:].isdigit()), key=get_step, reverse=True
    )
    for checkpoint in found:
        problem = check(checkpoint) or find_damage(checkpoint)
        if problem is None:
            return checkpoint
        say(f"{checkpoint.name} is incomplete ({problem}): skipped")
    return None


def check_checkpoint(checkpoint: Path) -> str | None:
    """What makes a checkpoint unusable, or ``None``.

    Missing or unreadable files, a wrong checksum, a step other than its name.
    """
    from safetensors import SafetensorError, safe_open

    weights = sorted(checkpoint.glob("*.safetensors"))
    names = (*(() if any(file.name.startswith("model") for file in weights) else ADAPTER_FILES), *get_state_files())
    missing = [name for name in names if not (checkpoint / name).is_file()]
    index = checkpoint / "model.safetensors.index.json"
    try:
        if index.is_file():
            parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            missing += sorted(parts - {file.name for file in weights})
        if missing:
            return f"no {', '.join(missing)}"
        cut = [
            name
            for name in get_state_files()
            if name.endswith((".pt", ".pth")) and not zipfile.is_zipfile(checkpoint / name)
        ]  # the index of a zip file is at its end
        if cut:
            return f"cut off: {', '.join(cut)}"
        for name in (name for name in get_state_files() if name.endswith((".pt", ".pth"))):
            with zipfile.ZipFile(checkpoint / name) as parts_of_file:
                if parts_of_file.testzip() is not None:
                    return f"damaged: {name}"
        for file in weights:
            with safe_open(file, framework="pt") as tensors:
                if not list(tensors.keys()):
                    return f"no tensors in {file.name}"
        for name in (*ADAPTER_FILES[1:], "config.json"):
            if name in names or (checkpoint / name).is_file():
                json.loads((checkpoint / name).read_text(encoding="utf-8"))
        step = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["global_step"]
    except (SafetensorError, zipfile.BadZipFile, zlib.error, OSError, ValueError, KeyError, TypeError) as error:
        return f"unreadable: {error}"
    return None if checkpoint.name == f"checkpoint-{step}" else f"it records step {step}"
