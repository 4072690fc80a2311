"""memory.md: one marked part that is filled from the facts; every other line belongs to the user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from gaslamp.config.lora import drop_unused_options
from gaslamp.core.contracts import Card, ModelFacts, TrainFacts
from gaslamp.core.files import write_text
from gaslamp.memory.candidates import NOTES

START, END = "<!-- gaslamp:facts:start -->", "<!-- gaslamp:facts:end -->"


def get_blocks(model: ModelFacts, card: Card, train: TrainFacts, settings: Mapping[str, object]) -> dict[str, str]:
    """Block name -> Markdown list.

    Args:
        model, card, train: facts of the run.
        settings: section ``train`` as it trained.
    """
    rows = ", ".join(f"{card.rows[part]} {part}" for part in ("train", "valid", "test") if part in card.rows)
    lora = settings.get("lora")
    flat = {key: value for key, value in settings.items() if key != "lora"}
    flat |= {f"lora.{key}": value for key, value in drop_unused_options(lora).items()} if isinstance(lora, dict) else {}
    tokens = f"{card.trained_tokens:,} trained tokens, " if card.trained_tokens else ""
    lines = {
        "Model": [
            f"{model.name} ({model.source})",
            f"{model.architecture}, {model.parameters / 1e6:,.1f} million parameters",
            f"adapter sha256 {train.adapter_sha256}",
        ],
        "Dataset": [
            f"{card.source}, read as {card.format}",
            rows,
            f"{tokens}{card.truncated} rows longer than train.max_length",
        ],
        "Hyperparameters": [f"{key}: {value}" for key, value in flat.items() if value is not None],
    }
    return {
        block: "\n".join("- " + " ".join(str(line).split()).replace("<!--", "<! --") for line in items)
        for block, items in lines.items()
    }


def update(text: str, blocks: dict[str, str]) -> str:
    """``text`` with the marked part replaced; where it is missing it goes before the notes, or to the end."""
    marked = f"{START}\n" + "\n\n".join(f"### {block}\n\n{content}" for block, content in blocks.items()) + f"\n{END}"
    if START in text and END in text.partition(START)[2]:
        before, _, rest = text.partition(START)
        return before + marked + rest.partition(END)[2]
    notes = re.search(rf"^##\s*{re.escape(NOTES)}\s*$", text, re.MULTILINE)
    place = notes.start() if notes else len(text)
    gap = "" if not text[:place] or text[:place].endswith("\n\n") else "\n" if text[:place].endswith("\n") else "\n\n"
    return f"{text[:place]}{gap}{marked}\n\n{text[place:]}"


def update_memory(path: Path, blocks: dict[str, str]) -> bool:
    """Fill the marked part of memory.md, if the file exists; returns whether it changed."""
    if not path.is_file():
        return False
    old = path.read_text(encoding="utf-8")
    new = update(old, blocks)
    if new != old:
        write_text(path, new)
    return new != old
