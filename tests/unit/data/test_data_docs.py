"""Every example in docs/data.md is what it says: found as that format, and learnt by the methods named with it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import tiny
from gaslamp.core import registry
from gaslamp.data import rows
from gaslamp.data.meaning import choose_kind, find_format

LINE = re.compile(r"^\| (?:`(\w+)`|ShareGPT, the same format) \| `(\{.*?\})`(?:[;,] [^|]*)? \| (.+) \|$", re.MULTILINE)
EXAMPLES = [
    (name or "messages", json.loads(text), re.findall(r"`(\w+)`", methods))
    for name, text, methods in LINE.findall((tiny.ROOT / "docs/data.md").read_text(encoding="utf-8"))
]


README = [
    (name, json.loads(text))
    for name, text in re.findall(
        r"^(\w+) +(\{.*\})$", (tiny.ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
]


def test_there_is_an_example_of_every_format() -> None:
    assert {name for name, _, _ in EXAMPLES} == {name for name, _ in README} == set(registry.names("formats"))


def test_the_examples_of_the_readme_are_found_as_what_they_are() -> None:
    for name, row in README:
        found, plugin, mapping = find_format([row], "auto", {}, () if name != "grpo" else ("prompt",))
        assert found == name and rows.get_kind(plugin.convert(row, mapping)) == plugin.KIND


def test_every_check_is_listed_with_its_severity() -> None:
    listed = dict(
        re.findall(
            r"^\| `(\w+)` \| (block|warn)", (tiny.ROOT / "docs/data.md").read_text(encoding="utf-8"), re.MULTILINE
        )
    )
    assert listed == {name: registry.get("checks", name).SEVERITY for name in registry.names("checks")}


@pytest.mark.parametrize(("name", "row", "methods"), EXAMPLES, ids=[name for name, _, _ in EXAMPLES])
def test_example(name: str, row: dict[str, Any], methods: list[str]) -> None:
    for method in methods:
        plugin = registry.get("methods", method)
        found, module, mapping = find_format([row], "auto", {}, plugin.KINDS)
        kind = choose_kind(module.KIND, method, plugin, [row], found, mapping)
        assert found == name and plugin.validate(rows.adapt(module.convert(row, mapping), kind)) == []
