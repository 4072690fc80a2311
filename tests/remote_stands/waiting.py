"""Waiting for what a machine of a stand-in does: for conditions, never for durations."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 90.0  # seconds


def wait_until(is_so: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """What ``is_so`` returns as soon as it is true."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if found := is_so():
            return found
        time.sleep(0.05)
    raise AssertionError(f"after {patience:g} s still not: {what}")
