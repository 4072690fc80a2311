"""The chat page as one file, and what it is told of the project (a second file, which the server hands out only with the key)."""

from __future__ import annotations

import base64
import mimetypes
from itertools import islice
from pathlib import Path
from typing import Any

from gaslamp.core.files import get_csp_hash, read_jsonl, write_json, write_text
from gaslamp.data.rows import get_images, get_kind, get_prompt, get_reference, get_text
from gaslamp.pages.themes import get_colors

SOURCES = Path(__file__).parent / "page"
SEEDS = 6
LOOK = 200
"""Test rows that are looked at for seed prompts."""
MAX_IMAGE = 2_000_000
"""Bytes of an image that may travel with a seed prompt."""


def build_page(folder: Path, domain: str = "general") -> None:
    """Write the page to ``folder``/index.html as one file: llama-server asks for the key for every other file it serves.

    Its Content-Security-Policy lets exactly this script and this style run, and no string ever become HTML.
    """
    page, *scripts, style = (
        (SOURCES / name).read_text(encoding="utf-8") for name in ("index.html", "markdown.js", "chat.js", "chat.css")
    )
    script, style = "".join(scripts), get_palette(domain) + style
    page = page.replace("SCRIPT_HASH", get_csp_hash(script)).replace("STYLE_HASH", get_csp_hash(style))
    write_text(folder / "index.html", page.replace("STYLE", style).replace("SCRIPT", script))


def get_palette(domain: str) -> str:
    """The demo page's colours for the audience's domain, as custom properties that follow light and dark."""
    light, dark = get_colors(domain, dark=False), get_colors(domain, dark=True)
    names = ("paper", "card", "recede", "sunk", "line", "ink", "soft", "good", "bad", "accent", "accent-text")
    pairs = {name: (light[name], dark[name]) for name in names}
    pairs |= {"on": (light["card"], dark["card"]), "edge": ("#8a9099", "#6d7580"), "wait": ("#a06a00", "#f0c050")}
    return ":root{" + "".join(f"--{name}:light-dark({a},{b});" for name, (a, b) in pairs.items()) + "}\n"


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Write what the page is told to ``folder``/chat.json, readable by its owner only: it holds rows of the test set."""
    file = folder / "chat.json"
    write_json(file, facts)
    file.chmod(0o600)


def get_seeds(test: Path, count: int = SEEDS) -> list[dict[str, Any]]:
    """Prompts of the test set to begin with: single questions, spread over the rows.

    Returns a list of {prompt, reference (text or None), images (data addresses)}.
    """
    seeds = []
    for row in islice(read_jsonl(test), LOOK):
        if get_kind(row) in ("text", "pair"):
            continue
        asked = [message for message in get_prompt(row) if message["role"] != "system"]
        if len(asked) != 1 or not get_text(asked[0]).strip():
            continue
        pictures = [read_image(test.parent / name) for name in get_images(asked)]
        if None not in pictures:
            seeds.append({"prompt": get_text(asked[0]), "reference": get_reference(row), "images": pictures})
    step = max(1, len(seeds) // count)
    return seeds[::step][:count]


def read_image(file: Path) -> str | None:
    """An image of the data folder as a data address; ``None`` when it is missing or too large."""
    if not file.is_file() or file.stat().st_size > MAX_IMAGE:
        return None
    kind = mimetypes.guess_type(file.name)[0] or "image/png"
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"
