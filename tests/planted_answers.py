"""Planted answers of base and tuned to rows of any shape, compared as a run compares them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.contracts import Compare
from gaslamp.core.files import write_jsonl
from gaslamp.data.rows import Row
from gaslamp.evaluate.compare import compare_models
from gaslamp.evaluate.retention import read_retention


def chat(number: int | str, question: str, answer: str, **more: Any) -> Row:
    """A row with one question and its answer."""
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": str(number), "messages": turns, **more}


def answer(row: Row, text: str = "", kind: str = "test", **more: Any) -> dict[str, Any]:
    """A line of a predictions file."""
    return {"id": row["id"], "kind": kind, "text": text, "stopped": True, "tokens": 3, "seconds": 0.1, **more}


def compare(
    folder: Path,
    train: list[Row],
    test: list[Row],
    base: list[Any],
    tuned: list[Any],
    rivals: dict[str, Path] | None = None,
    general: tuple[list[str], list[str]] | None = None,
    method: str = "sft",
    page: bool = False,
    seeds: dict[str, Path] | None = None,
    **settings: Any,
) -> tuple[Compare, dict[str, Any], str]:
    """compare.json, verdict.json and the text report.

    Args:
        folder: where to write.
        train, test: rows.
        base, tuned: an answer for each test row: its text, or keys of its prediction.
        rivals: few_shot | format -> predictions file.
        general: answers of base and of tuned to the general questions; the last one is given to all that are left.
        method: of the config.
        page: write the page too.
        seeds: run with another seed -> predictions file.
        settings: of section eval.
    """
    write_jsonl(folder / "train.jsonl", train)
    write_jsonl(folder / "test.jsonl", test)
    questions = [row["id"] for row in read_retention()] if general else []
    for name, texts, known in (("base", base, (general or ([], []))[0]), ("tuned", tuned, (general or ([], []))[1])):
        lines = [
            answer(row, **given) if isinstance(given, dict) else answer(row, given)
            for row, given in zip(test, texts, strict=True)
        ]
        lines += [answer({"id": q}, known[min(n, len(known) - 1)], "retention") for n, q in enumerate(questions)]
        write_jsonl(folder / f"{name}.jsonl", lines)
    outputs = {name: folder / name for name in ("compare", "verdict", "report", "side_by_side", *(["page"] * page))}
    config = Config.model_validate({"eval": settings, "method": method})
    chosen = parse_slice(get_slice(config, "eval", "diagnose.answers", "data.slice", "method", "train.rewards"))
    files = [folder / f"{name}.jsonl" for name in ("base", "tuned", "test")]
    base_file, tuned_file, test_file = files
    train_file = folder / "train.jsonl"
    result = compare_models(chosen, base_file, tuned_file, test_file, outputs, train_file, rivals=rivals, seeds=seeds)
    return result, json.loads(outputs["verdict"].read_text()), outputs["report"].read_text()
