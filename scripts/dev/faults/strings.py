"""Hostile texts through everything that shows the texts of others: terminal, Markdown, HTML, JSON in a page."""

from __future__ import annotations

import html
import io
import json
import random
import re

from gaslamp.core.errors import GaslampError
from gaslamp.core.visible import CONTROLS, make_safe_console, show_controls
from gaslamp.pages import markdown
from gaslamp.pages.html import escape_json
from markdown_it import MarkdownIt

from faults.bench import Bench, Trial

ABOUT = "hostile texts through each way to show them: terminal, error, Markdown, HTML, data of a page"
BATCH = 200
PARTS = (
    *(
        "\x1b]52;c;aGk=\x07",
        "\x1b[2J\x1b[1;31m",
        "\r",
        "\x08\x08",
        "\u202e",
        "\u2066",
        "\x9b31m",
        "\x00",
        "\u2028",
        "\n",
    ),
    *("<script>alert(1)</script>", "</script>", "<!--", "-->", "]]>", "<img src=x onerror=alert(1)>", "&lt;", "\"'"),
    *(
        "`",
        "```",
        "``",
        "~~~",
        "|",
        "\\",
        "\\|",
        "*b*",
        "_i_",
        "[a](javascript:alert(1))",
        "![](x)",
        "# ",
        "> ",
        "- ",
        "1. ",
    ),
    *(
        "{{ 7*7 }}",
        "{% raw %}",
        "${jndi:x}",
        "{0}",
        "%s",
        "[link]",
        "[/bold]",
        "[red]",
        ":smile:",
        "\ud800",
        "é",
        "日",
        "a ",
    ),
    *(
        "<|im_end|>",
        "</s>",
        '"""',
        "--",
        "\t",
        "   ",
        "\n\n",
        "\n---\n",
        "\n| a |\n",
        "<details>",
        "http://a.b",
        "\ufeff",
    ),
)


def run(bench: Bench, random: random.Random) -> Trial:
    """BATCH texts made of such parts."""
    trial = Trial(f"{BATCH} texts", faults=BATCH)
    for _ in range(BATCH):
        text = "".join(random.choices(PARTS, k=random.randint(1, 8)))
        trial.problems += [f"{problem}: {text!r}" for problem in check(text)]
    return trial


def check(text: str) -> list[str]:
    """Which way of showing ``text`` lets something out."""
    problems = []
    stream = io.StringIO()
    console = make_safe_console(file=stream, force_terminal=False, width=200)
    console.print(text, markup=False, highlight=False)
    shown = {
        "console": stream.getvalue(),
        "terminal": show_controls(text),
        "error": str(GaslampError(text, text, text)),
    }
    problems += [f"{name}: a control character" for name, out in shown.items() if CONTROLS.search(out)]
    parser = MarkdownIt("commonmark").enable("table")
    for name in ("escape", "escape_cell", "quote", "code", "fence"):
        source = markdown.strip_marks(getattr(markdown, name)(text))
        if CONTROLS.search(source):
            problems.append(f"markdown.{name}: a control character")
        page = f"before\n\n{source}\n\nafter\n" if name == "fence" else f"| a |\n|---|\n| {source} |\n\nafter\n"
        rendered = parser.render(page)
        tags = set(re.findall(r"<(/?[a-z0-9]+)", rendered)) - ALLOWED
        if tags or not rendered.rstrip().endswith("<p>after</p>"):
            problems.append(f"markdown.{name}: {sorted(tags) or 'breaks out'}")
    data = escape_json({"text": text})
    if "<" in data or json.loads(data)["text"] != text:
        problems.append("escape_json: ends the script or loses the text")
    if "<" in html.escape(text):
        problems.append("html")
    return problems


ALLOWED = {
    f"{end}{tag}" for tag in ("p", "table", "thead", "tbody", "tr", "th", "td", "code", "pre") for end in ("", "/")
}
