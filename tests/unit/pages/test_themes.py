"""Colours: every text can be read on every ground, in every theme."""

from __future__ import annotations

from typing import Any

import pytest
from gaslamp.pages.themes import ACCENTS, get_colors, get_contrast, get_theme


@pytest.mark.parametrize("domain", ACCENTS)
@pytest.mark.parametrize("dark", [False, True])
def test_contrast(domain: str, dark: bool) -> None:
    colors = get_colors(domain, dark)
    for text in ("ink", "soft", "good", "bad", "accent-text"):
        for ground in ("paper", "card", "recede"):
            assert get_contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
    assert get_contrast(colors["ink"], colors["mark"]) >= 4.5
    for shape in ("accent", "base"):
        assert get_contrast(colors[shape], colors["card"]) >= 3, shape


@pytest.mark.parametrize(
    ("theme", "domain", "expected"),
    [("auto", "support", "auto"), ("auto", "code", "dark"), ("crisp", "code", "crisp"), ("dark", "legal", "dark")],
)
def test_theme(theme: str, domain: str, expected: str) -> None:
    assert get_theme(theme, domain) == expected
    colors: dict[str, Any] = get_colors(domain, expected == "dark")
    assert colors["accent"].startswith("#")
