"""No text of others steers a terminal or breaks out of Markdown, whichever sink it reaches."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from gaslamp.core import console
from gaslamp.core.errors import GaslampError
from gaslamp.core.visible import CONTROLS, make_safe_console, show_controls
from gaslamp.pages import markdown
from gaslamp.report.dashboard.charts import clean
from hypothesis import given
from hypothesis import strategies as st

HOSTILE = [
    "\x1b]52;c;ZXZpbA==\x07",  # writes to the clipboard
    "\x1b[2J\x1b[H",  # clears the screen
    "\x1b]0;title\x07",
    "a\rb",  # overwrites the line
    "\x9b31m",
    "\u202egpj.exe",
    "\u2066x\u2069",
    "a\x00b",
    "a\x08\x08b",
    "half \ud800",
    "line\u2028separator",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_every_sink_shows_it_and_obeys_nothing(
    text: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_terminal", io.StringIO())
    console.say(text)
    printed = io.StringIO()
    rich = make_safe_console(file=printed, force_terminal=False, width=200, highlight=False)
    from rich.table import Table
    from rich.text import Text

    table = Table(text)
    table.add_row(Text(text))
    rich.print(Text(text), table)
    sinks = {
        "say": console._terminal.getvalue(),  # type: ignore[attr-defined]
        "rich": printed.getvalue(),
        "error": str(GaslampError(text, text, text)),
        "markdown": markdown.escape(text)
        + markdown.code(text)
        + markdown.quote(text).strip(markdown.OPEN + markdown.CLOSE),
        "one line": clean(text),
    }
    assert {name: found[0] for name, value in sinks.items() if (found := CONTROLS.search(value))} == {}


def test_colours_of_our_own_reach_the_terminal() -> None:
    printed = io.StringIO()
    make_safe_console(file=printed, force_terminal=True, color_system="standard").print("red", style="red")
    assert "\x1b[31m" in printed.getvalue()


def test_a_carriage_return_does_not_break_out_of_code() -> None:
    assert "\r" not in markdown.code("a\r\n# heading") and "\n" not in markdown.code("a\r# heading")


@given(st.text())
def test_what_needs_no_escape_stays(text: str) -> None:
    shown = show_controls(text)
    assert not CONTROLS.search(shown)
    if not CONTROLS.search(text):
        assert shown == text


def test_letters_that_need_marks_keep_them() -> None:
    for text in (
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\U0001f468\u200d\U0001f469",
        "\u05e9\u200f",
        "tab\tand\nline",
    ):
        assert show_controls(text) == text
