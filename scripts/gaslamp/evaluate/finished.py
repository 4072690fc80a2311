"""Answers that are there already: on disk as they come, so that they outlive a kill and are not asked again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gaslamp.core.console import say
from gaslamp.core.files import read_jsonl, write_jsonl
from gaslamp.data.rows import Row
from gaslamp.evaluate.questions import Question


class Finished:
    """What was asked already, one JSON line each, beside the predictions file until that is complete."""

    def __init__(self, out: Path, key: str) -> None:
        self.path = out.with_name(f".{out.stem}.{key}.partial.jsonl")
        self.known: dict[tuple[str, ...], dict[str, Any]] = {}
        for stale in out.parent.glob(f".{out.stem}.*.partial.jsonl"):
            if stale != self.path:
                stale.unlink()
        if self.path.is_file():
            lines = list(read_jsonl(self.path))
            self.known = {tuple(line["key"]): line["value"] for line in lines}
            write_jsonl(self.path, lines)  # without the line that the kill cut
            say(f"{len(lines)} answers of an interrupted evaluation are kept")

    def __enter__(self) -> Finished:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.handle = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.handle.close()
        if kind is None:
            self.path.unlink(missing_ok=True)

    def add(self, key: tuple[str, ...], value: dict[str, Any]) -> None:
        """Note one finished piece; it is on disk before the next begins."""
        self.known[key] = value
        self.handle.write(json.dumps({"key": key, "value": value}, ensure_ascii=False) + "\n")
        self.handle.flush()

    def merge(self, rows: list[Row], questions: list[Question]) -> list[dict[str, Any]]:
        """One prediction for each test row, then the retention questions."""
        empty = {"text": "", "stopped": True, "tokens": 0, "seconds": 0.0}
        found = {row["id"]: {"id": row["id"], "kind": "test", **empty} for row in rows}
        found |= {question.id: {"id": question.id, "kind": question.kind, **empty} for question in questions}
        for (what, row_id, *rest), value in self.known.items():
            prediction = found[row_id]
            if what == "answer":
                prediction.update(value)
            elif what == "retrieval":
                prediction["retrieval"] = value
            elif what == "score":
                prediction.setdefault("scores", {})[rest[0]] = value["score"]
            else:
                total = prediction.setdefault("likelihood", {}).setdefault(rest[0], {"logp": 0.0, "tokens": 0})
                total["logp"], total["tokens"] = total["logp"] + value["logp"], total["tokens"] + value["tokens"]
        return list(found.values())
