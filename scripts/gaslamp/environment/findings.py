"""What the checks of the preflight get and report: each room brings its own, in ``<room>/preflight.py``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from gaslamp.core.decisions import Decision
from gaslamp.environment.python_env import PythonEnv
from gaslamp.environment.system import System
from gaslamp.models.shape import Shape

Fit = Literal["fits", "tight", "exceeds", "unknown"]


@dataclass(frozen=True)
class Problem:
    """A reason why a run cannot work, with the usual fix and a less likely one."""

    cause: str
    fix: str
    less_likely: str = ""


@dataclass(frozen=True)
class Request:
    """A run that was not started yet, and the machine for it."""

    settings: Any  # slice with backend, method, model, data, train, eval.gate, export
    system: System
    env: PythonEnv
    shape: Shape | None  # of the base model; None: unknown before its download
    downloads_model: bool


@dataclass
class Memory:
    """How a training fits the memory of this machine, in GB."""

    fit: Fit = "unknown"
    need_gb: float = 0.0
    free_gb: float = 0.0
    kind: str = "memory"  # or "GPU memory"


@dataclass
class Findings:
    """What the checks found so far; each check adds to it."""

    problems: list[Problem] = field(default_factory=list)  # each stops the run
    warnings: list[str] = field(default_factory=list)
    disk: dict[str, float] = field(default_factory=dict)  # part -> bytes at the fullest moment of the run
    memory: Memory = field(default_factory=Memory)
    choice: list[Decision] = field(default_factory=list)  # settings left open: what would be taken, and why


Check = Callable[[Request, Findings], None]
"""Adds to the findings what one room knows of a request. It raises nothing: all problems are reported at once."""
