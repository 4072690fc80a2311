"""Whether a machine can train with a backend, as far as that is known before anything is installed there.

Standard library only: it runs on a machine that has nothing but Python yet.
"""

from __future__ import annotations

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.environment.system import System

VRAM_GB = 6.0
"""The least that a GPU must have for a training of the smallest models."""


def require_fit(system: System, backend: str, need_gb: float = 0.0) -> None:
    """Check the kind of machine, the memory of its GPU and its disk space.

    Args:
        system: what detection found on that machine.
        backend: name of the backend that will train there.
        need_gb: disk space that the run takes.

    Raises:
        GaslampError: all that it lacks, with what to do.
    """
    problems: list[tuple[str, str]] = list(registry.get("backends", backend).find_machine_problems(system))
    sizes = [size for gpu in system["gpus"] if backend == "cuda" and (size := gpu["vram_gb"])]
    if sizes and max(sizes) < VRAM_GB:
        problems.append(
            (
                f"its largest GPU has {max(sizes):.1f} GB; {VRAM_GB:.0f} are the least",
                "take a machine with a larger GPU, or set remote.backend: cpu for a very small model",
            )
        )
    if system["disk_free_gb"] < need_gb:
        problems.append(
            (
                f"{need_gb:.1f} GB of disk are needed, {system['disk_free_gb']:.1f} are free there",
                "free disk space there, or set remote.folder to a folder on a larger disk",
            )
        )
    if problems:
        fixes = dict.fromkeys(fix for _, fix in problems)
        raise GaslampError("; ".join(cause for cause, _ in problems), "; ".join(fixes))
