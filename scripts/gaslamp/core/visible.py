"""Text that cannot steer a terminal: what others wrote (column names, answers, file names) is shown, never obeyed.

A control character may move the cursor, rename the window or write to the clipboard (OSC 52); a mark of direction may
show the end of a line before its start. Both become visible as escapes. Marks that single letters need (joiners,
U+200E and U+200F) stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and new line, separators, marks that turn the direction of all text after them, and
halves of characters."""


def show_controls(text: object) -> str:
    r"""``text`` with every such character as an escape: ``\x1b``, ``\u202e``."""
    return CONTROLS.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), str(text))


def make_safe_console(**options: Any) -> Console:
    """rich's Console, whose colours are its own and whose texts cannot steer the terminal.

    Args:
        options: of rich.console.Console.
    """
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class SafeConsole(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(show_controls(segment.text), segment.style)

    return SafeConsole(**options)
