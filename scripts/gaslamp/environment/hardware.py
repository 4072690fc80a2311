"""The machine: GPUs, memory, cores and disk, as the operating system and its container report them.

Standard library only and no syntax newer than Python 3.8: this runs before anything is installed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import TypedDict

from gaslamp.environment.programs import read_system_file, run_text

GB = 1e9  # decimal, as disks, model hubs and gaslamp's own pages count


class GpuFacts(TypedDict):
    """An NVIDIA GPU in outputs/env/system.json."""

    index: int
    name: str
    vram_gb: float | None  # None: a board whose GPU shares the main memory reports none
    vram_free_gb: float | None
    driver: str
    cuda: str | None  # highest CUDA version that the driver supports


class MemoryFacts(TypedDict):
    """Main memory in GB."""

    total: float
    available: float  # free, or freed on demand


def get_gpus() -> list[GpuFacts]:
    """Every NVIDIA GPU that nvidia-smi lists."""
    rows = run_text(
        "nvidia-smi", "--query-gpu=name,memory.total,memory.free,driver_version", "--format=csv,noheader,nounits"
    )
    match = re.search(r"CUDA (?:UMD )?Version:\s*([\d.]+)", run_text("nvidia-smi")) if rows else None
    gpus: list[GpuFacts] = []
    for index, row in enumerate(rows.splitlines()):
        cells = [cell.strip() for cell in row.split(",")]
        if len(cells) != 4:
            continue
        gpus.append(
            {
                "index": index,
                "name": cells[0],
                "vram_gb": _from_mib(cells[1]),
                "vram_free_gb": _from_mib(cells[2]),
                "driver": cells[3],
                "cuda": match.group(1) if match else None,
            }
        )
    return gpus


def _from_mib(text: str) -> float | None:
    """``16384`` -> 17.2; unified-memory boards report ``[N/A]``."""
    return round(float(text) * 2**20 / GB, 1) if re.match(r"^\d+(\.\d+)?$", text) else None


def get_memory() -> MemoryFacts:
    """Main memory, inside the container's limit if there is one."""
    if sys.platform == "darwin":
        total = int(run_text("sysctl", "-n", "hw.memsize") or 0)
        pages = run_text("vm_stat")
        size = int((re.search(r"page size of (\d+)", pages) or ["", "4096"])[1])
        counts = dict(re.findall(r"Pages (free|inactive|purgeable|speculative):\s+(\d+)", pages))
        available = sum(int(count) for count in counts.values()) * size
    else:
        fields = dict(re.findall(r"(\w+):\s+(\d+) kB", read_system_file("/proc/meminfo")))
        total, available = int(fields.get("MemTotal", 0)) * 1024, int(fields.get("MemAvailable", 0)) * 1024
        limit = read_system_file("/sys/fs/cgroup/memory.max").strip()
        if limit.isdigit() and int(limit) < total:
            used = int(read_system_file("/sys/fs/cgroup/memory.current") or 0)
            cache = re.search(r"^inactive_file (\d+)", read_system_file("/sys/fs/cgroup/memory.stat"), re.MULTILINE)
            total = int(limit)
            available = min(available, total - used + (int(cache.group(1)) if cache else 0))
    return {"total": round(total / GB, 1), "available": round(available / GB, 1)}


def get_cores() -> int:
    """Processor cores that this process may use, by affinity and the container's quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = read_system_file("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        count = min(count, max(1, int(quota[0]) // int(quota[1])))
    return count


def get_cpu_name() -> str:
    """The processor as its maker calls it; the architecture when the system does not say."""
    if sys.platform == "darwin":
        return run_text("sysctl", "-n", "machdep.cpu.brand_string")
    match = re.search(r"^model name\s*:\s*(.+)$", read_system_file("/proc/cpuinfo"), re.MULTILINE)
    return match.group(1).strip() if match else platform.processor() or platform.machine()


def get_disk_free(path: str | Path) -> float:
    """Free GB for this user on the disk that holds ``path`` (or its nearest parent that exists)."""
    path = Path(path).absolute()
    while not path.exists():
        path = path.parent
    return round(shutil.disk_usage(str(path)).free / GB, 1)
