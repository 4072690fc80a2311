"""Coroutines in tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import anyio

Result = TypeVar("Result")


def run_async(function: Callable[..., Awaitable[Result]], *args: Any) -> Result:
    """Run ``function(*args)`` to its end in a thread of its own.

    Playwright's synchronous interface keeps a loop running in the thread of the tests for the whole session, and
    ``anyio.run`` refuses to start a second one there.
    """
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(anyio.run, function, *args).result()
