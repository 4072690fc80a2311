"""Markdown that foreign text cannot break, and the check for placeholders."""

from __future__ import annotations

import re

import pytest
from gaslamp.pages.markdown import code, escape, fence, find_placeholders, quote, strip_marks


@pytest.mark.parametrize(
    "line",
    ["| a |  | b |", "| a | |", "left {{ this }}", "TODO: write", "loss nan", "it is None", "a Placeholder here"],
)
def test_lint_names_the_line(line: str) -> None:
    assert [problem.split(":")[0] for problem in find_placeholders(f"fine\n\n{line}\n")][0] == "line 3"


@pytest.mark.parametrize(
    "line",
    [
        "| a | b |",
        "|---|---|",
        "nanotechnology, Nonetheless",
        "`{{ None }}`",
        "```\nTODO {{ }}\n| |\n```",
        "| `a \\| b` | c |",
    ],
)
def test_lint_passes_whole_pages_and_code(line: str) -> None:
    assert find_placeholders(line) == []


def test_lint_looks_past_foreign_text_but_not_when_it_is_empty() -> None:
    assert (
        find_placeholders(f"| {quote('None TODO {{ x }}')} | {code('nan')} |\n{fence('TODO' + chr(10) + '```')}") == []
    )
    assert find_placeholders(f"| {quote('')} | b |") != []
    assert find_placeholders(f"{fence('a' + chr(10) + 'b')}\nTODO")[0].startswith("line 5")


@pytest.mark.parametrize(
    "text", ["# head", "- item", "1. one", "- 2", "a|b", "<b>x</b>", "*x* _y_ `z`", "[a](b)", "line\nbreak"]
)
def test_escape(text: str) -> None:
    result = escape(text)
    assert "\n" not in result and "<" not in result
    assert not re.match(r"[#>-]|\d\. ", result) and not re.search(r"(?<!\\)[|*`\[]", result)


def test_code_and_fence_hold_any_text() -> None:
    assert strip_marks(code("a `b` ``c``")).startswith("```")
    assert strip_marks(fence("````")).startswith("`````\n")
    assert "(empty answer)" in code("  ")
