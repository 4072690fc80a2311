"""What both pages of the demo share: template, theme and style."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.pages.html import render_template
from gaslamp.pages.themes import get_theme, get_theme_css
from gaslamp.report.demo.own_style import get_own_style

HERE = Path(__file__).parent


def render(template: str, settings: Slice, root: Path, script: str = "", **facts: object) -> str:
    """A page of the demo in the theme and the style of the project.

    Args:
        template: file name of the template.
        settings: slice with project and demo.
        root: the project, for ``demo.style``.
        script: JavaScript of the page.
        facts: what the template shows.

    Raises:
        GaslampError: a style that cannot be read or cannot be used.
    """
    theme = get_theme(settings.demo.theme, settings.project.domain)
    style = (
        get_theme_css(theme, settings.project.domain)
        + (HERE / "style.css").read_text(encoding="utf-8")
        + get_own_style(settings.demo.style, root)
    )
    return render_template(
        HERE / template,
        style,
        script,
        language=settings.demo.language,
        theme=theme,
        project=settings.project,
        **facts,
    )
