"""Memory of Apple silicon that MLX keeps wired while it trains."""

from __future__ import annotations

from collections.abc import Callable

from gaslamp.core.decisions import Decision
from gaslamp.environment.apple_memory import read_device
from gaslamp.environment.hardware import GB
from gaslamp.environment.memory_estimate import DeviceFacts


def raise_wired_limit(
    read: Callable[[], DeviceFacts] = read_device, set_limit: Callable[[int], object] | None = None
) -> Decision:
    """Let MLX keep its memory wired up to the recommended working set.

    mlx-lm's trainer does the same; here it is done before the model is loaded, and recorded.

    Args:
        read: returns the facts of the device.
        set_limit: takes bytes; ``None``: MLX's own.
    """
    limit = read().get("max_recommended_working_set_size")
    if not limit:
        return Decision(name="wired_memory", value="not set", reason="no Metal here")
    if set_limit is None:
        import mlx.core as mx

        set_limit = mx.set_wired_limit
    set_limit(int(limit))
    reason = "the working set that Metal recommends"
    return Decision(name="wired_memory", value=f"{limit / GB:.1f} GB", reason=reason)
