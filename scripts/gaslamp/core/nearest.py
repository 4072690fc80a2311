"""What was probably meant: the nearest of the known names, for error messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def get_nearest(name: str, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The known name that is most like ``name``, or ``None`` when none is at least ``cutoff`` (0 to 1) like it."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)), None)


def get_hint(name: str, known: Iterable[str]) -> str:
    """The end of an error message about an unknown name: ``did you mean 'x'?``, else every name to choose from."""
    names = list(known)
    if not names:
        return "there is none to choose from"
    near = get_nearest(name, names) or get_nearest(name.lower(), names)
    return f"did you mean '{near}'?" if near else f"choose from: {', '.join(names)}"
