"""Markdown that foreign text cannot break, and the check that no page is left half-filled."""

from __future__ import annotations

import html
import re

from gaslamp.core.visible import show_controls

# private-use characters around text that is not ours (model output, the user's words): the check looks past them
OPEN, CLOSE = "\ue000", "\ue001"
_FOREIGN = re.compile(f"{OPEN}(.*?){CLOSE}", re.DOTALL)
_WORDS = re.compile(r"\b(TODO|TBD|FIXME|XXX|nan|NaN|None|[Pp]laceholder|PLACEHOLDER|lorem ipsum)\b|\{\{|\}\}|\{%|%\}")
_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")


def _clean(value: object) -> str:
    text = str(value).replace(OPEN, "").replace(CLOSE, "").replace("\r\n", "\n").replace("\r", "\n")
    return show_controls(text.replace("\f", " ").replace("\v", " "))


def escape(value: object) -> str:
    """Text that stays text in Markdown: no HTML, no emphasis, no links, no headings; white space becomes one blank."""
    text = html.escape(" ".join(_clean(value).split()), quote=False)
    # an underscore inside a word is harmless, and names stay readable
    text = re.sub(r"([\\`*\[\]|~]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    text = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", text)
    return re.sub(r"^([#>]|[+-](?!\d))", r"\\\1", text)


def escape_cell(value: object) -> str:
    """``escape`` for a table cell, which must not be empty."""
    return escape(value) or "(empty)"


def quote(value: object) -> str:
    """Foreign text, escaped and marked."""
    return f"{OPEN}{escape(value)}{CLOSE}"


def code(value: object, cell: bool = True) -> str:
    """Foreign text as inline code, in a table cell or elsewhere; line breaks are shown as ``↵``."""
    text = re.sub(r"\s*\n\s*", " ↵ ", _clean(value).strip()) or "(empty answer)"
    # in a table a backslash keeps the bar in its cell and is taken away again by the table parser
    text = text.replace("|", r"\|") if cell else text
    ticks = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{OPEN}{ticks}{pad}{text}{pad}{ticks}{CLOSE}"


def fence(value: object, language: str = "") -> str:
    """Foreign text as a fenced block; the fence is longer than any run of ticks in it."""
    text = _clean(value).rstrip("\n")
    ticks = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    return f"{OPEN}{ticks}{language}\n{text}\n{ticks}{CLOSE}"


def strip_marks(text: str) -> str:
    """``text`` without the marks around foreign text."""
    return text.replace(OPEN, "").replace(CLOSE, "")


def find_placeholders(text: str) -> list[str]:
    """What was left unfilled in a Markdown page, one message with line number each; none when the page is whole.

    Looked for: empty table cells, template braces, TODO and its like, ``nan`` and ``None``. Code and marked foreign
    text are passed over: there these words are somebody's content.
    """
    # each foreign text becomes one word on as many lines as it had, so that line numbers stay right
    text = _FOREIGN.sub(lambda found: ("text" if found[1].strip() else "") + "\n" * found[1].count("\n"), text)
    problems: list[str] = []
    fenced = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"\s*(`{3,}|~{3,})", line)
        if fenced:
            if mark and mark[1].startswith(fenced) and not line.strip().strip(fenced[0]):
                fenced = ""
            continue
        if mark:
            fenced = mark[1]
            continue
        line = _CODE.sub("code", line)
        problems += [f"line {number}: '{found[0]}' was left in: {line.strip()[:80]}" for found in _WORDS.finditer(line)]
        if line.lstrip().startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip())[1:-1]
            if any(not cell.strip() for cell in cells):
                problems.append(f"line {number}: empty table cell: {line.strip()[:80]}")
    return problems
