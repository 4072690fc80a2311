"""Colours of the demo page by the audience's domain, as CSS custom properties.

Every text pair meets WCAG AA (tested).
"""

from __future__ import annotations

# domain -> (theme, accent for shapes, accent for text on light paper, accent for text on dark paper)
ACCENTS = {
    "general": ("crisp", "#0052cc", "#0052cc", "#7db0ff"),
    "support": ("crisp", "#0052cc", "#0052cc", "#7db0ff"),
    "health": ("crisp", "#0891b2", "#0b6f88", "#4fd0ea"),
    "finance": ("crisp", "#047857", "#047857", "#45d6a5"),
    "legal": ("crisp", "#047857", "#047857", "#45d6a5"),
    "education": ("crisp", "#d97706", "#a04f04", "#fbb455"),
    "code": ("dark", "#00e5ff", "#006b7a", "#00e5ff"),
    "math": ("dark", "#d4ff00", "#566800", "#d4ff00"),
    "science": ("dark", "#d4ff00", "#566800", "#d4ff00"),
    "security": ("dark", "#ff4d6d", "#b8153a", "#ff6b86"),
}

CRISP = {
    "paper": "#fafaf7",
    "card": "#ffffff",
    "recede": "#f7f7f3",
    "sunk": "#eeeee8",
    "line": "#dfdfd8",
    "ink": "#14171c",
    "soft": "#5a6068",
    "good": "#0b6e45",
    "bad": "#b3261e",
    "warn": "#8a5200",
    "mark": "#ffe9a8",
    "mark-line": "#a06a00",
    "base": "#8a9099",
}

DARK = {
    "paper": "#0c0e11",
    "card": "#14171c",
    "recede": "#101215",
    "sunk": "#22272e",
    "line": "#2b3038",
    "ink": "#eceef1",
    "soft": "#a0a7b1",
    "good": "#53d79a",
    "bad": "#ff8f84",
    "warn": "#f0c050",
    "mark": "#4a3a0c",
    "mark-line": "#f0c050",
    "base": "#7b838e",
}


def get_colors(domain: str, dark: bool) -> dict[str, str]:
    """Custom properties (name without dashes -> colour) of one theme for one domain."""
    _, accent, on_light, on_dark = ACCENTS[domain]
    if dark:
        return {**DARK, "accent": on_dark, "accent-text": on_dark}
    # a shape needs less contrast than text, but the dark domains' neon would vanish on paper
    return {**CRISP, "accent": on_light if ACCENTS[domain][0] == "dark" else accent, "accent-text": on_light}


def get_theme(theme: str, domain: str) -> str:
    """``crisp``, ``dark``, or ``auto`` (crisp, by the reader's light or dark setting), for ``demo.theme``."""
    if theme != "auto":
        return theme
    return "dark" if ACCENTS[domain][0] == "dark" else "auto"


def get_theme_css(theme: str, domain: str) -> str:
    """The rules that set the custom properties; paper is always light."""

    def block(dark: bool) -> str:
        scheme = "dark" if dark else "light"
        colors = get_colors(domain, dark)
        return (
            ":root{color-scheme:" + scheme + ";" + "".join(f"--{name}:{value};" for name, value in colors.items()) + "}"
        )

    screen = block(theme == "dark")
    if theme == "auto":
        screen += "@media (prefers-color-scheme:dark){" + block(True) + "}"
    return screen + "@media print{" + block(False) + ":root{--paper:#fff}}"


def _get_luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def get_contrast(one: str, other: str) -> float:
    """Contrast of two colours ``#rrggbb`` as WCAG 2 defines it: 1 (equal) to 21 (black on white)."""
    high, low = sorted((_get_luminance(one), _get_luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
