"""The data page of some rows, made as a run makes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.contracts import Card
from gaslamp.data.page import build_data_page
from gaslamp.data.prepare import prepare_data


def make_data_page(
    folder: Path, rows: list[dict[str, Any]], method: str = "sft", **settings: Any
) -> tuple[str, Card, str]:
    """The page, card and strategy of some rows, with the model of ``folder / model.json``."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    data = {"source": str(folder / "rows.jsonl"), "rehearsal": 0.0, **settings}
    config = Config.model_validate(
        {"data": data, "method": method, "train": {"max_length": 400}, "project": {"name": "Ünit <b>"}}
    )
    out = folder / "data"
    names = {
        "train": "train.jsonl",
        "valid": "valid.jsonl",
        "test": "test.jsonl",
        "template": "template.json",
        "card": "card.json",
        "strategy": "strategy.md",
    }
    card = prepare_data(
        parse_slice(get_slice(config, "method", "data", "train.max_length", "train.thinking")),
        folder / "model.json",
        {key: out / name for key, name in names.items()},
    )
    build_data_page(
        out / "card.json",
        out / "template.json",
        folder / "model.json",
        parse_slice(get_slice(config, "project", "method")),
        out / "report.html",
    )
    return (
        (out / "report.html").read_text(encoding="utf-8"),
        card,
        (out / "strategy.md").read_text(encoding="utf-8"),
    )
