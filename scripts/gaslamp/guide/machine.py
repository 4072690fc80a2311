"""What the plan needs to know of this machine: a part of outputs/env/system.json, which takes a moment only."""

from __future__ import annotations

import platform
import sys

from gaslamp.environment.hardware import get_cores, get_cpu_name, get_disk_free, get_gpus, get_memory
from gaslamp.environment.machines import Machine


def look_at_machine() -> Machine:
    """Processor, memory, GPUs and the free disk of the current folder; looks for no programs."""
    is_apple = sys.platform == "darwin" and platform.machine() == "arm64"
    memory, cpu = get_memory(), get_cpu_name()
    return {
        "os": platform.system(),
        "arch": platform.machine(),
        "cpu": cpu,
        "cores": get_cores(),
        "memory_gb": memory["total"],
        "memory_available_gb": memory["available"],
        "unified_memory_gb": memory["total"] if is_apple else None,
        "is_apple_silicon": is_apple,
        "apple_chip": cpu if is_apple else None,
        "gpus": get_gpus(),
        "disk_free_gb": get_disk_free("."),
    }
