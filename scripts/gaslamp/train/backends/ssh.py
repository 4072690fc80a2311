"""Train on a machine that you reach by SSH (remote.host); what trains there is the backend that fits it."""

from __future__ import annotations

import shutil
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
MACHINE = "a machine that you reach by SSH"
REMOTE = True
DRIVER = "ssh"
QUANTIZES = True
PROCESSES = True


def find_machine_problems(system: System) -> list[tuple[str, str]]:
    """What this machine lacks for this backend, each with what to use instead."""
    if shutil.which("ssh"):
        return []
    return [("no ssh command on the PATH", "install OpenSSH (apt install openssh-client)")]


def find_setting_warnings(settings: Slice) -> list[tuple[str, str]]:
    """Settings that work there, but not well, each with what to do."""
    return []
