"""The pages of the studio from their templates, its one style sheet and its one script."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.pages.html import get_base_style, get_environment
from gaslamp.pages.themes import get_theme_css

if TYPE_CHECKING:
    import jinja2

PAGE = Path(__file__).parent / "page"


@cache
def _get_templates() -> jinja2.Environment:
    return get_environment(PAGE)


def render(template: str, /, **facts: object) -> str:
    """A page or a part of one; text in ``facts`` becomes text, never markup."""
    return _get_templates().get_template(template).render(**facts)


@cache
def get_style() -> str:
    """The shared rules, the colours for light and dark, and the studio's own rules."""
    return get_base_style() + get_theme_css("auto", "general") + (PAGE / "style.css").read_text(encoding="utf-8")
