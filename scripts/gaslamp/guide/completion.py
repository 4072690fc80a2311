"""The Tab key while a question is open: paths, or the names that an answer may be."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gaslamp.core import registry

Complete = Callable[[str], list[str]]
"""What was typed -> what it may become."""


def list_paths(typed: str) -> list[str]:
    """Files and folders that begin so, and the other answers about data."""
    if typed.startswith("embedded:"):
        names = (f"embedded:{name}" for name in registry.get_library_names("embedded"))
        return [name for name in names if name.startswith(typed)]
    found = sorted(glob.glob(glob.escape(os.path.expanduser(typed)) + "*"))
    paths = [f"{path}{'/' if os.path.isdir(path) else ''}" for path in found]
    return paths + [word for word in ("embedded:", "hub:", "none") if typed and word.startswith(typed)]


@contextmanager
def completing(complete: Complete) -> Iterator[None]:
    """Complete with the Tab key as long as the context lasts, where the terminal's library can."""
    try:
        import readline
    except ImportError:  # a Python without it still asks
        yield
        return
    before, delimiters = readline.get_completer(), readline.get_completer_delims()
    matches: list[str] = []

    def next_match(typed: str, state: int) -> str | None:
        if state == 0:
            matches[:] = [name for name in complete(typed) if name.startswith(os.path.expanduser(typed))]
        return matches[state] if state < len(matches) else None

    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
    readline.set_completer_delims("\n")
    readline.set_completer(next_match)
    try:
        yield
    finally:
        readline.set_completer(before)
        readline.set_completer_delims(delimiters)
