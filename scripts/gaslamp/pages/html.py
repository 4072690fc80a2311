"""What makes a page one safe file: templates that escape all text, a Content-Security-Policy,
data URLs instead of links.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.pages.numbers import join_units

if TYPE_CHECKING:
    import jinja2

MEDIA = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".wav": "audio/wav",
}
"""Endings of files that a page may hold, and their types."""


def render_template(template: Path, style: str, script: str = "", /, **facts: object) -> str:
    """The HTML text of a template: all facts are escaped, a name that is missing is an error.

    The template finds ``style``, ``script`` and their hashes ``style_hash``, ``script_hash`` for its policy.

    Args:
        template: the file; templates that it includes are in the same folder.
        style: CSS of our own; the shared rules (base.css) come before it.
        script: JavaScript of our own.
        facts: what the template shows; text becomes text, never markup.
    """
    from markupsafe import Markup

    style = get_base_style() + style
    return (
        get_environment(template.parent)
        .get_template(template.name)
        .render(
            style=Markup(style),  # noqa: S704 - ours
            style_hash=get_csp_hash(style),
            script=Markup(script),  # noqa: S704 - ours
            script_hash=get_csp_hash(script),
            **facts,
        )
    )


def get_environment(folder: Path) -> jinja2.Environment:
    """The templates of a folder: all facts are escaped, a name that is missing is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["join_units"] = join_units
    return environment


def get_base_style() -> str:
    """The rules that every page starts from: its own ones follow."""
    return (Path(__file__).parent / "base.css").read_text(encoding="utf-8")


def get_csp_hash(text: str) -> str:
    """The source expression that allows exactly this inline script or style under a Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()


def escape_json(value: object) -> str:
    """JSON that is safe in a script element: no ``<``, ``>`` or ``&``, and no line separator of older JavaScript.

    Raises:
        ValueError: NaN or an infinity, which JSON does not have.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def embed_file(file: Path, max_bytes: int | None = None) -> str | None:
    """An image or recording as a data URL, so that the page stays one file.

    Args:
        file: its ending gives the type, see ``MEDIA``.
        max_bytes: larger files are not embedded.

    Returns:
        ``None`` for a file that is missing, too large, or of another type.
    """
    kind = MEDIA.get(file.suffix.lower())
    if kind is None or not file.is_file() or (max_bytes is not None and file.stat().st_size > max_bytes):
        return None
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"
