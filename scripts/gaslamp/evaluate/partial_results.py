"""Results of an unfinished evaluation: written as they come, so that a killed run continues where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from gaslamp.core.console import say
from gaslamp.core.files import JsonObject, read_jsonl, write_jsonl
from gaslamp.data.rows import Row
from gaslamp.evaluate.prompts import EvalPrompt


class PartialResults:
    """Finished results, one JSON line each, in a file next to the predictions file until that is complete.

    ``known``: (what, row id [, name [, window]]) -> result; what is answer, likelihood, score or retrieval.
    """

    def __init__(self, out: Path, key: str) -> None:
        self.path = out.with_name(f".{out.stem}.{key}.partial.jsonl")
        self.known: dict[tuple[str, ...], Mapping[str, object]] = {}
        for stale in out.parent.glob(f".{out.stem}.*.partial.jsonl"):
            if stale != self.path:
                stale.unlink()
        if self.path.is_file():
            lines = list(read_jsonl(self.path))
            self.known = {tuple(line["key"]): line["value"] for line in lines}
            write_jsonl(self.path, lines)  # without the last line, which the kill cut
            say(f"{len(lines)} results of the interrupted evaluation are kept")

    def __enter__(self) -> PartialResults:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.handle = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.handle.close()
        if kind is None:
            self.path.unlink(missing_ok=True)

    def add(self, key: tuple[str, ...], value: Mapping[str, object]) -> None:
        """Record one result; it is on disk before the next begins."""
        self.known[key] = value
        self.handle.write(json.dumps({"key": key, "value": value}, ensure_ascii=False) + "\n")
        self.handle.flush()

    def merge(self, rows: list[Row], prompts: list[EvalPrompt]) -> list[JsonObject]:
        """One prediction for each test row, then those of the retention questions."""
        empty = {"text": "", "stopped": True, "tokens": 0, "seconds": 0.0}
        found: dict[str, JsonObject] = {row["id"]: {"id": row["id"], "kind": "test", **empty} for row in rows}
        found |= {prompt.id: {"id": prompt.id, "kind": prompt.kind, **empty} for prompt in prompts}
        for (what, row_id, *rest), result in self.known.items():
            if row_id not in found:  # fewer rows are wanted than when it was interrupted
                continue
            value: JsonObject = dict(result)
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
