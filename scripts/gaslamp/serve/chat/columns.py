"""Who answers on the chat page: the proven file, and the same file with the adapter taken out again.

The served file is the one that the parity gate passed: base and adapter merged, quantized. The adapter is loaded beside it as a
LoRA with scale 0, which changes nothing: llama.cpp drops adapters of scale 0 before it computes, so the tuned column (and every
client that names no scale) is answered by the proven file, bit for bit. The base column asks with scale -1: what training added
is subtracted while the model computes. That is the base model up to the rounding of the file's level, so a small check at the
start compares it with what the base model really answered in the evaluation.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from gaslamp.core.contracts import LoraFile
from gaslamp.core.files import read_jsonl
from gaslamp.data.rows import get_images, get_prompt

ROWS = 4
TOKENS = 24
SECONDS = 10.0
"""The check asks at most so many rows for so many tokens, and ends when this time is over."""


@dataclass(frozen=True)
class Adapter:
    """The adapter to load beside the file, or why base cannot be shown."""

    file: Path | None
    scale: float = 1.0
    reason: str = ""


def find_adapter(folder: Path) -> Adapter:
    """What ``outputs/<run>/lora`` offers."""
    if not (folder / "lora.json").is_file():
        return Adapter(None, reason=f"{folder} was not made (make deploy makes it)")
    facts = LoraFile.read(folder / "lora.json")
    return Adapter(folder / facts.file if facts.file else None, facts.scale, facts.reason)


def get_requests(adapter: Adapter) -> dict[str, dict[str, Any]]:
    """Column -> what its requests carry. Each column has its own slot, so that each keeps the prompt it has read already.

    Naming scale and ``cache_prompt`` together is safe: llama-server empties a slot whose last scale was another.
    """
    if adapter.file is None:
        return {"tuned": {}}
    return {
        "tuned": {"lora": [{"id": 0, "scale": 0.0}], "id_slot": 0, "cache_prompt": True},
        "base": {"lora": [{"id": 0, "scale": -adapter.scale}], "id_slot": 1, "cache_prompt": True},
    }


def check_columns(
    client: httpx.Client, requests: dict[str, dict[str, Any]], test: Path, predictions: dict[str, Path]
) -> dict[str, dict[str, int]]:
    """Ask a few test rows as the evaluation did and compare how the answers begin.

    Args:
        client: of the running server, with its key.
        requests: column -> fields of its requests.
        test: data/test.jsonl.
        predictions: column -> answers of the evaluation.

    Returns column -> {"asked": rows, "same": rows whose answer begins as the evaluated one}.
    """
    rows = [row for row in islice(read_jsonl(test), ROWS) if not get_images(get_prompt(row))]
    result = {}
    for column, file in predictions.items():
        end = time.monotonic() + SECONDS / len(predictions)
        if column not in requests or not file.is_file():
            continue
        wanted = {row["id"]: row["text"] for row in read_jsonl(file) if "text" in row}
        asked = same = 0
        for row in rows:
            left = end - time.monotonic()
            if row["id"] not in wanted or left < 0.5:
                continue
            body = {"messages": get_prompt(row), "max_tokens": TOKENS, "temperature": 0, **requests[column]}
            try:
                answer = (
                    client.post("/v1/chat/completions", json=body, timeout=left).raise_for_status().json()["choices"][0]
                )
            except httpx.ReadTimeout:
                break  # a slow machine: what was asked so far is said, and the page opens
            text = answer["message"].get("content") or ""
            asked += 1
            same += begins_alike(text, wanted[row["id"]], whole=answer["finish_reason"] == "stop")
        result[column] = {"asked": asked, "same": same}
    return result


def begins_alike(answer: str, wanted: str, whole: bool) -> bool:
    """Whether an answer, ``whole`` or cut by the number of tokens, is the evaluated one as far as both go."""
    answer, wanted = (
        answer.removesuffix("\ufffd"),
        wanted.removesuffix("\ufffd"),
    )  # half a character, where the tokens ended
    shared = min(len(answer), len(wanted))
    return shared > 0 and answer[:shared] == wanted[:shared] and not (whole and len(answer) < len(wanted))
