"""The pages of the studio from their templates, its one style sheet and its one script."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.pages.html import get_base_style, get_environment
from gaslamp.pages.themes import get_theme_css

if TYPE_CHECKING:
    import jinja2
    from markdown_it import MarkdownIt
    from markupsafe import Markup

PAGE = Path(__file__).parent / "page"


@cache
def _get_templates() -> jinja2.Environment:
    templates = get_environment(PAGE)
    templates.filters["breakable"] = break_name
    return templates


def break_name(name: str) -> Markup:
    """A name whose line may break behind its underscores, and copies as it is."""
    from markupsafe import Markup, escape

    return escape(name).replace("_", Markup("_<wbr>"))


def render(template: str, /, **facts: object) -> str:
    """A page or a part of one; text in ``facts`` becomes text, never markup."""
    return _get_templates().get_template(template).render(**facts)


@cache
def _get_parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")  # markup in the text stays text
    return parser.disable("image")


def render_markdown(text: str, is_shown: Callable[[str], object] = lambda path: False) -> Markup:
    """A Markdown page of a project as HTML: no markup, picture or script of its own gets through.

    Args:
        text: the page.
        is_shown: whether the studio shows a file of the project; links to others become text.
    """
    from markupsafe import Markup

    parser = _get_parser()
    tokens = parser.parse(text)
    for token in tokens:
        is_text = False
        for one in token.children or ():
            if one.type == "link_open":
                address = str(one.attrs.get("href", ""))
                is_text = not (address.startswith(("https://", "http://", "#")) or is_shown(address))
                one.attrs = {} if is_text else {"href": address, "target": "_blank", "rel": "noopener"}
            if one.type in ("link_open", "link_close") and is_text:
                one.tag = "span"
    return Markup(parser.renderer.render(tokens, parser.options, {}))


@cache
def get_style() -> str:
    """The shared rules, the colours for light and dark, and the studio's own rules."""
    return get_base_style() + get_theme_css("auto", "general") + (PAGE / "style.css").read_text(encoding="utf-8")
