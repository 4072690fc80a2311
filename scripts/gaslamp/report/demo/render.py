"""What both pages of the demo share: template, theme, style, and JSON for a script element."""

from __future__ import annotations

import json
from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.files import get_csp_hash
from gaslamp.pages.themes import get_theme, get_theme_css
from gaslamp.report.demo.own_style import get_own_style

HERE = Path(__file__).parent


def escape_json(value: object) -> str:
    """JSON for a script element: no ``<``, ``>`` or ``&``, and no line separator of older JavaScript."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def render(template: str, settings: Slice, root: Path, **facts: object) -> str:
    """A page of the demo in the theme and the style of the project.

    Args:
        template: file name of the template.
        settings: slice with project and demo.
        root: the project, for ``demo.style``.
        facts: what the template shows.

    Raises:
        GaslampError: a style that cannot be read or cannot be used.
    """
    import jinja2
    from markupsafe import Markup

    theme = get_theme(settings.demo.theme, settings.project.domain)
    style = (
        get_theme_css(theme, settings.project.domain)
        + (HERE / "style.css").read_text(encoding="utf-8")
        + get_own_style(settings.demo.style, root)
    )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        style=Markup(style),
        style_hash=get_csp_hash(style),
        language=settings.demo.language,
        theme=theme,
        project=settings.project,
        **facts,
    )
