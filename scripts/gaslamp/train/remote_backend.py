"""What all backends share whose training runs on another machine: ``backends/ssh.py``, ``backends/colab.py``.

What trains there is the backend that fits that machine (``remote.backend``); its own settings are checked there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gaslamp.core import registry

if TYPE_CHECKING:
    from gaslamp.config.slices import Slice
    from gaslamp.environment.system import System

BUILT = True
REASON = ""
EXTRA = "cpu"
REQUIRES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")
METHODS = tuple(registry.names("methods"))
REMOTE = True
QUANTIZES = True


def find_machine_problems(system: System) -> list[tuple[str, str]]:
    """Nothing of this machine's own: what the driver needs, it says by itself (``remote/drivers``)."""
    return []


def find_setting_warnings(settings: Slice) -> list[tuple[str, str]]:
    """Settings that work there, but not well, each with what to do."""
    from gaslamp.train.unsloth import find_dropout_warnings

    return find_dropout_warnings(settings.train)
