"""Where the time of a training step goes on a GPU: kernels by kind, and how long the GPU had nothing to run.

``StepProfile`` is a callback of a bare training script; ``summarize`` turns its kernels into shares of the step.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Any

from transformers import TrainerCallback

KINDS = (
    ("copies", r"memcpy|memset"),
    ("attention", r"flash|fmha|sdpa|attention|softmax_warp"),
    ("loss", r"cross_entropy|_cce_|log_softmax|nll"),
    ("unpacking of 4-bit weights", r"dequant"),
    ("optimizer", r"multi_tensor|adam|_norm_kernel_cuda"),
    ("matrix products", r"gemm|nvjet|cutlass|cublas|xmma|splitk|gemv"),
    ("norms, rotary embedding and SwiGLU", r"rms|layernorm|layer_norm|rope|rotary|swiglu|_fg_kernel|_dwf_dw_dfg"),
)
"""The first that matches the name of a kernel is its kind; the others move or add numbers one by one."""
REST = "elementwise"


def get_kind(kernel: str) -> str:
    """The kind of a kernel by its name."""
    return next((kind for kind, pattern in KINDS if re.search(pattern, kernel, re.IGNORECASE)), REST)


def summarize(kernels: Iterable[tuple[str, float, float]], seconds: float, steps: int) -> dict[str, Any]:
    """Seconds of a step by kind of kernel, and the share of the time in which no kernel ran.

    Args:
        kernels: name, start in s and duration in s of each.
        seconds: of all profiled steps together, by the clock.
        steps: how many were profiled.
    """
    by_kind: dict[str, float] = {}
    by_name: dict[str, tuple[float, int]] = {}
    busy, reached, count = 0.0, float("-inf"), 0
    for name, start, duration in sorted(kernels, key=lambda kernel: kernel[1]):
        count += 1
        kind = get_kind(name)
        by_kind[kind] = by_kind.get(kind, 0.0) + duration
        spent, calls = by_name.get(name[:100], (0.0, 0))
        by_name[name[:100]] = (spent + duration, calls + 1)
        busy += max(0.0, start + duration - max(start, reached))
        reached = max(reached, start + duration)
    longest = sorted(by_name.items(), key=lambda item: -item[1][0])[:15]
    return {
        "step_seconds": round(seconds / steps, 4),
        "idle_share": round(1 - busy / seconds, 4),
        "kernels": round(count / steps),
        "seconds": {
            kind: round(spent / steps, 4) for kind, spent in sorted(by_kind.items(), key=lambda item: -item[1])
        },
        "longest": [[name, round(spent / steps, 4), round(calls / steps)] for name, (spent, calls) in longest],
    }


class StepProfile(TrainerCallback):  # type: ignore[misc]
    """Profiles ``steps`` optimizer steps after the first ``skipped``; ``found`` holds the summary afterwards."""

    def __init__(self, skipped: int, steps: int, cuda: bool) -> None:
        self.skipped, self.steps, self.cuda = skipped, steps, cuda
        self.found: dict[str, Any] = {}
        self.profiler: Any = None
        self.began = 0.0

    def on_step_begin(self, args: object, state: Any, control: object, **kwargs: object) -> None:
        """Start before the first step that is profiled."""
        if state.global_step != self.skipped:
            return
        from torch.profiler import ProfilerActivity, profile

        self._wait()
        self.profiler = profile(activities=[ProfilerActivity.CUDA if self.cuda else ProfilerActivity.CPU])
        self.profiler.start()
        self.began = time.monotonic()

    def on_step_end(self, args: object, state: Any, control: object, **kwargs: object) -> None:
        """Stop after the last one."""
        if self.profiler is None or state.global_step != self.skipped + self.steps:
            return
        self._wait()
        seconds = time.monotonic() - self.began
        self.profiler.stop()
        events = self.profiler.profiler.kineto_results.events()
        wanted = "CUDA" if self.cuda else "CPU"
        kernels = [
            (event.name(), event.start_ns() / 1e9, event.duration_ns() / 1e9)
            for event in events
            if str(event.device_type()).endswith(wanted)
        ]
        self.found, self.profiler = summarize(kernels, seconds, self.steps), None

    def _wait(self) -> None:
        if self.cuda:
            import torch

            torch.cuda.synchronize()
