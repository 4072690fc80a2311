"""Memory of a PyTorch process."""

from __future__ import annotations

import sys


def get_memory_gb() -> float:
    """Peak memory of this process in GB: reserved on the GPU where it computes there, resident elsewhere."""
    import resource

    import torch

    if torch.cuda.is_initialized():
        return round(float(torch.cuda.max_memory_reserved()) / 1e9, 3)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 3)


def begin_measuring() -> float:
    """Count peaks from now on; returns the GB in use now."""
    import torch

    if not torch.cuda.is_initialized():
        return get_memory_gb()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return float(torch.cuda.memory_reserved()) / 1e9
