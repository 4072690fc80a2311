"""What the card of a base model says: licence, languages, what it was made from.

The card is the README.md of a checkpoint folder; its head is YAML, as the model hub writes it
(https://huggingface.co/docs/hub/model-cards).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from gaslamp.core.console import say

CARD = "README.md"
LICENCES = (
    (r"apache license.{0,40}version 2\.0", "apache-2.0"),
    (r"llama 3\.([123]) community license", r"llama3.\1"),
    (r"llama 3 community license", "llama3"),
    (r"llama 4 community license", "llama4"),
    (r"llama 2 community license", "llama2"),
    (r"gemma terms of use", "gemma"),
    (r"\bmit license\b|permission is hereby granted, free of charge", "mit"),
)
"""How the text of a licence begins, and its identifier on the hub: the first that matches."""


@dataclass(frozen=True)
class CardFacts:
    """What a model card says; empty where it says nothing.

    Attributes:
        license: identifier of the hub (apache-2.0, llama3.2, gemma, other).
        license_name: the name of a licence that has no identifier of its own (license: other).
        license_link: where its text stands.
        languages: ISO codes, as the card lists them.
        base_models: the models that this one was made from.
        pipeline_tag: what the hub says it is for (text-generation, image-text-to-text, sentence-similarity).
    """

    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None
    languages: list[str] = field(default_factory=list)
    base_models: list[str] = field(default_factory=list)
    pipeline_tag: str | None = None


def read_model_card(folder: Path) -> CardFacts:
    """The facts of the card in a checkpoint folder; without one, the licence that its LICENSE file begins with.

    A card that cannot be read stops nothing: the log says so.
    """
    head = _read_head(folder / CARD)
    found = CardFacts(
        license=_word(head.get("license")),
        license_name=_word(head.get("license_name")),
        license_link=_word(head.get("license_link")),
        languages=_words(head.get("language")),
        base_models=_words(head.get("base_model")),
        pipeline_tag=_word(head.get("pipeline_tag")),
    )
    return found if found.license else _add_licence(found, folder)


def _read_head(file: Path) -> dict[str, object]:
    """The YAML head of a card."""
    if not file.is_file():
        return {}
    import yaml
    from huggingface_hub import metadata_load

    try:
        return metadata_load(file) or {}
    except (ValueError, yaml.YAMLError, OSError) as error:  # UnicodeDecodeError is a ValueError
        say(f"the head of {file} cannot be read, so nothing of it is recorded: {str(error).splitlines()[0]}")
        return {}


def _add_licence(found: CardFacts, folder: Path) -> CardFacts:
    """The licence by the first lines of a LICENSE file."""
    for file in sorted(folder.glob("LICEN[CS]E*")):
        with file.open(encoding="utf-8", errors="replace") as handle:
            opening = " ".join(handle.read(2000).lower().split())
        for pattern, name in LICENCES:
            if match := re.search(pattern, opening):
                return CardFacts(**{**vars(found), "license": match.expand(name)})
    return found


def _word(value: object) -> str | None:
    """One value of the head as text. A list of one is that one, of several their names in a row."""
    words = _words(value)
    return ", ".join(words) or None


def _words(value: object) -> list[str]:
    """A value of the head as a list of texts: cards write one or several."""
    if isinstance(value, bool):  # YAML reads the language code no (Norwegian) as false
        return [] if value else ["no"]
    items = value if isinstance(value, list) else [value]
    return ["no" if item is False else str(item) for item in items if item not in (None, "")]
