"""The user's own style: a CSS file that is applied last, or colours read from a DESIGN.md."""

from __future__ import annotations

import re
from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.pages.themes import get_contrast

# What the colours of a design are usually called -> custom property of the page.
NAMES = {
    "paper": "paper",
    "background": "paper",
    "page": "paper",
    "card": "card",
    "surface": "card",
    "ink": "ink",
    "text": "ink",
    "foreground": "ink",
    "soft": "soft",
    "muted": "soft",
    "secondary text": "soft",
    "line": "line",
    "border": "line",
    "accent": "accent",
    "brand": "accent",
    "primary": "accent",
    "good": "good",
    "success": "good",
    "bad": "bad",
    "error": "bad",
    "danger": "bad",
}
_COLOR = re.compile(r"^[\s|*`_-]*([A-Za-z][A-Za-z ]*?)[\s|*`_:-]+(#[0-9a-fA-F]{6}|#[0-9a-fA-F]{3})\b")


def read_colors(text: str) -> dict[str, str]:
    """Custom property -> colour, from lines such as ``Accent: #0052cc`` or ``| Background | #fff |``."""
    found = {}
    for line in text.splitlines():
        if (match := _COLOR.match(line)) and (name := NAMES.get(match.group(1).strip().lower())):
            color = match.group(2).lower()
            found[name] = color if len(color) == 7 else "#" + "".join(2 * digit for digit in color[1:])
    return found


def get_own_style(place: str | None, root: Path) -> str:
    """CSS that comes after the page's own; empty without ``demo.style``.

    Raises:
        GaslampError: no such file, one that would end the style element, one without colours, or text colours with too
            little contrast.
    """
    if not place:
        return ""
    file = root / place
    if not file.is_file():
        raise GaslampError(f"demo.style: {place} does not exist", "create the file, or set demo.style to null")
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".css":
        if "</" in text or "@import" in text:
            raise GaslampError(
                f"demo.style: {place} holds '</' or '@import'", "remove it: the page is one file that loads nothing"
            )
        return f"\n/* {file.name} */\n{text}"
    colors = read_colors(text)
    if not colors:
        raise GaslampError(
            f"demo.style: {place} names no colour that the page has",
            f"write lines such as 'Accent: #0052cc' (names: {', '.join(sorted(NAMES))})",
            "name a .css file",
        )
    if "accent" in colors:
        colors["accent-text"] = colors["accent"]
    paper = colors.get("card") or colors.get("paper") or "#ffffff"
    for name in ("ink", "soft", "accent-text", "good", "bad"):
        if name in colors and (ratio := get_contrast(colors[name], paper)) < 4.5:
            raise GaslampError(
                f"demo.style: {place}: {name.removesuffix('-text')} {colors[name]} on {paper} has a contrast of "
                f"{ratio:.1f}; text needs 4.5 (WCAG AA)",
                "choose a darker or lighter tone for it",
            )
    return "\n:root{" + "".join(f"--{name}:{color};" for name, color in colors.items()) + "}"
