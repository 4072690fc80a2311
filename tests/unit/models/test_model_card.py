"""What is taken from the card of a base model."""

from __future__ import annotations

from pathlib import Path

import pytest
from gaslamp.models.model_card import CardFacts, read_model_card

HEADS = {
    "one language": (
        "license: apache-2.0\nlanguage: en\nbase_model: HuggingFaceTB/SmolLM2-135M\npipeline_tag: text-generation",
        CardFacts("apache-2.0", None, None, ["en"], ["HuggingFaceTB/SmolLM2-135M"], "text-generation"),
    ),
    "a licence with a name": (
        "license: other\nlicense_name: qwen-research\nlicense_link: LICENSE\nlanguage:\n- en\n- zh",
        CardFacts("other", "qwen-research", "LICENSE", ["en", "zh"]),
    ),
    "Norwegian is no boolean": ("license: mit\nlanguage: [no, da]", CardFacts("mit", languages=["no", "da"])),
    "two licences": ("license: [mit, apache-2.0]", CardFacts("mit, apache-2.0")),
    "an empty head": ("", CardFacts()),
    "not YAML": ("license: [mit", CardFacts()),
    "a list in place of a head": ("- mit", CardFacts()),
}


@pytest.mark.parametrize("name", HEADS)
def test_the_head_of_a_card(name: str, tmp_path: Path) -> None:
    head, expected = HEADS[name]
    (tmp_path / "README.md").write_text(f"---\n{head}\n---\n\n# A model\n", encoding="utf-8")
    assert read_model_card(tmp_path) == expected


def test_a_card_in_bytes_that_are_no_text_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes(b"---\nlicense: \xff\xfe\n---\n")
    assert read_model_card(tmp_path) == CardFacts()


@pytest.mark.parametrize(
    ("text", "license_name"),
    [
        (
            "                                 Apache License\n                           Version 2.0, January 2004",
            "apache-2.0",
        ),
        ("MIT License\n\nCopyright (c) Microsoft Corporation.", "mit"),
        ("LLAMA 3.2 COMMUNITY LICENSE AGREEMENT\nLlama 3.2 Version Release Date", "llama3.2"),
        ("META LLAMA 3 COMMUNITY LICENSE AGREEMENT", "llama3"),
        ("All rights reserved.", None),
    ],
)
def test_without_a_card_the_licence_file_says_it(text: str, license_name: str | None, tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text(text, encoding="utf-8")
    assert read_model_card(tmp_path).license == license_name
