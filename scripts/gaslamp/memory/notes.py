"""memory.md: three blocks that are filled from facts between markers; every other line belongs to the user."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gaslamp.contracts import Card, ModelFacts, TrainFacts
from gaslamp.files import write_text
from gaslamp.memory.candidates import NOTES

BLOCKS = ("Model", "Dataset", "Hyperparameters")


def get_blocks(model: ModelFacts, card: Card, train: TrainFacts, settings: dict[str, Any]) -> dict[str, str]:
    """The text of each block; ``settings`` is the config's train section."""
    rows = ", ".join(f"{card.rows[part]} {part}" for part in ("train", "valid", "test") if part in card.rows)
    flat = {**{key: value for key, value in settings.items() if key != "lora"}, **{f"lora.{k}": v for k, v in settings.get("lora", {}).items()}}
    lines = {
        "Model": [f"{model.name} ({model.source})", f"{model.architecture}, {model.parameters / 1e6:,.1f} million parameters",
                  f"adapter sha256 {train.adapter_sha256}"],
        "Dataset": [f"{card.source}, read as {card.format}", rows, f"{card.trained_tokens:,} trained tokens, {card.truncated} rows truncated"],
        "Hyperparameters": [f"{key}: {value}" for key, value in flat.items() if value is not None],
    }  # fmt: skip
    return {block: "\n".join("- " + " ".join(str(line).split()).replace("<!--", "<! --") for line in items) for block, items in lines.items()}


def update(text: str, blocks: dict[str, str]) -> str:
    """``text`` with the marked blocks replaced; a block that is missing is put under its heading, or before the notes."""
    for block, content in blocks.items():
        start, end = f"<!-- gaslamp:{block.lower()} -->", f"<!-- /gaslamp:{block.lower()} -->"
        marked = f"{start}\n{content}\n{end}"
        if start in text and end in text[text.index(start) :]:
            first = text.index(start)
            text = text[:first] + marked + text[text.index(end, first) + len(end) :]
        elif heading := re.search(rf"^## {block}[ \t]*$", text, re.MULTILINE):
            text = text[: heading.end()] + f"\n\n{marked}" + text[heading.end() :]
        else:
            notes = re.search(rf"^##\s*{re.escape(NOTES)}\s*$", text, re.MULTILINE)
            place = notes.start() if notes else len(text)
            gap = "" if not text[:place] or text[:place].endswith("\n\n") else "\n" if text[:place].endswith("\n") else "\n\n"
            text = f"{text[:place]}{gap}## {block}\n\n{marked}\n\n{text[place:]}"
    return text


def update_memory(path: Path, blocks: dict[str, str]) -> bool:
    """Fill the blocks of memory.md; nothing happens when there is no such file. Whether it was changed."""
    if not path.is_file():
        return False
    old = path.read_text(encoding="utf-8")
    new = update(old, blocks)
    if new != old:
        write_text(path, new)
    return new != old
