"""Which profile fits a machine. Of other packages it needs none: it runs before anything is installed."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gaslamp.core import registry
from gaslamp.core.liveness import LEASE
from gaslamp.environment.python_env import get_train_python

if TYPE_CHECKING:
    from gaslamp.environment.machines import Machine


class Profile(NamedTuple):
    """A profile and why it was taken."""

    name: str
    reason: str


def choose_profile(machine: Machine, method: str | None = None) -> Profile:
    """The profile for a machine: cuda with an NVIDIA GPU, mac on Apple silicon, else cpu.

    Args:
        machine: what detection found.
        method: what should be trained; where MLX does not train it, PyTorch does (mps).
    """
    gpus = machine.get("gpus") or []
    if gpus:
        size = f", {gpus[0]['vram_gb']:g} GB" if gpus[0].get("vram_gb") else ""
        return Profile("cuda", f"{gpus[0]['name']}{size}")
    if machine.get("is_apple_silicon"):
        chip = machine.get("apple_chip") or "Apple silicon"
        if method and method not in registry.get("backends", "mac").METHODS:
            return Profile("mps", f"{chip}; MLX does not train {method}")
        return Profile("mac", str(chip))
    return Profile("cpu", "no NVIDIA GPU and no Apple silicon here")


def get_project_profile(project: Path, machine: Machine, method: str | None = None) -> Profile:
    """The profile of a run of this project when none is named.

    That of its last training, which another profile would repeat; else what a person chose in the interview; else what
    fits the machine, as far as its packages are installed.

    Args:
        project: its folder.
        machine: what detection found.
        method: what should be trained.
    """
    if settled := get_settled_profile(project):
        return settled
    fitting = choose_profile(machine, method)
    backend = registry.get("backends", fitting.name)
    if fitting.name == "mac" and get_train_python(None, backend, project) == sys.executable:
        return Profile("cpu", f"{fitting.reason} is here, and MLX is not installed (make mlx, then PROFILE=mac)")
    missing = [name for name in backend.REQUIRES if importlib.util.find_spec(name) is None]
    if fitting.name == "cuda" and missing:
        lacks = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        return Profile("cpu", f"{fitting.reason} is here, and {lacks} (make setup EXTRA=cuda, then PROFILE=cuda)")
    return fitting


def get_settled_profile(project: Path) -> Profile | None:
    """The profile that a project has whatever the machine is: of its last training, or chosen in the interview."""
    if last := _find_last(project):
        return Profile(last, "the last training of this project ran with it")
    if chosen := _find_chosen(project):
        return Profile(chosen, "chosen when the project was made")
    return None


def _find_last(project: Path) -> str | None:
    """The backend of the newest training that ended or was begun."""
    ended = sorted(project.glob("outputs/*/train.json"), key=lambda file: -file.stat().st_mtime)
    if ended:
        facts = _read(ended[0])
        return (facts.get("elsewhere") or {}).get("profile") or facts.get("backend")
    begun = sorted(project.glob("logs/*/train.metrics.jsonl"), key=lambda file: -file.stat().st_mtime)
    for file in begun:
        with file.open(encoding="utf-8") as handle:
            first = handle.readline()
        try:
            start = json.loads(first)
            # on another machine: its backend is not the profile of the run here
            lease = _read(project / LEASE) if start.get("remote") else {}
            return (lease.get("details") or {}).get("profile") or start.get("backend")  # type: ignore[no-any-return]
        except ValueError:
            continue
    return None


def _find_chosen(project: Path) -> str | None:
    """The profile that a person set in the interview (.gaslamp.json)."""
    lines = (_read(project / ".gaslamp.json").get("plan") or {}).get("lines") or []
    return next((line.get("value") for line in lines if line.get("name") == "profile" and line.get("fixed")), None)


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
