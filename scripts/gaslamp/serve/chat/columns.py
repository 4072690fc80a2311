"""The columns of the chat page: tuned, the file that passed the parity gate, and base, that file without the adapter.

The served file is base and adapter merged, quantized. The adapter is also loaded as a LoRA with scale 0, which changes
nothing: llama.cpp drops adapters of scale 0 before it computes, so the tuned column (and every client that names no
scale) gets the answers of the checked file, bit for bit. Requests of the base column have scale -1: what training
added is subtracted at run time. That is the base model up to the rounding of the file's level, so a short check at
the start compares it with the base model's answers in the evaluation.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypedDict

import httpx

from gaslamp.core.contracts import LoraFile
from gaslamp.core.files import read_jsonl
from gaslamp.data.rows import get_images, get_prompt

ROWS = 4
TOKENS = 24
SECONDS = 10.0
"""The check prompts at most ROWS rows for TOKENS tokens each, and ends after SECONDS."""


class LoraScale(TypedDict):
    """The scale of one adapter in a request."""

    id: int
    scale: float


class ColumnRequest(TypedDict, total=False):
    """Fields of every request of a column."""

    lora: list[LoraScale]
    id_slot: int
    cache_prompt: bool


class ColumnCheck(TypedDict):
    """How a column compares with the evaluation."""

    compared: int  # rows that were prompted
    same: int  # of them, those whose answer begins as the evaluated one


@dataclass(frozen=True)
class Adapter:
    """The adapter to load with the file, or why there is no base column."""

    file: Path | None
    scale: float = 1.0
    reason: str = ""


def find_adapter(folder: Path) -> Adapter:
    """The adapter in ``outputs/<run>/lora``."""
    if not (folder / "lora.json").is_file():
        return Adapter(None, reason=f"{folder} does not exist (make deploy writes it)")
    facts = LoraFile.read(folder / "lora.json")
    return Adapter(folder / facts.file if facts.file else None, facts.scale, facts.reason)


def get_requests(adapter: Adapter) -> dict[str, ColumnRequest]:
    """Column -> fields of its requests. Each column has its own slot, and so its own prompt cache.

    Naming scale and ``cache_prompt`` together is safe: llama-server empties a slot whose last scale was another.
    """
    if adapter.file is None:
        return {"tuned": {}}
    return {
        "tuned": {"lora": [{"id": 0, "scale": 0.0}], "id_slot": 0, "cache_prompt": True},
        "base": {"lora": [{"id": 0, "scale": -adapter.scale}], "id_slot": 1, "cache_prompt": True},
    }


def check_columns(
    client: httpx.Client, requests: dict[str, ColumnRequest], test: Path, predictions: dict[str, Path]
) -> dict[str, ColumnCheck]:
    """Prompt a few test rows as the evaluation did, and compare how the answers begin.

    Args:
        client: of the running server, with its key.
        requests: column -> fields of its requests.
        test: data/test.jsonl.
        predictions: column -> predictions file of the evaluation.
    """
    rows = [row for row in islice(read_jsonl(test), ROWS) if not get_images(get_prompt(row))]
    result: dict[str, ColumnCheck] = {}
    for column, file in predictions.items():
        end = time.monotonic() + SECONDS / len(predictions)
        if column not in requests or not file.is_file():
            continue
        wanted = {row["id"]: row["text"] for row in read_jsonl(file) if "text" in row}
        compared = same = 0
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
                break  # a slow machine: the rows so far are reported, and the page opens
            text = answer["message"].get("content") or ""
            compared += 1
            same += begins_alike(text, wanted[row["id"]], whole=answer["finish_reason"] == "stop")
        result[column] = {"compared": compared, "same": same}
    return result


def begins_alike(answer: str, wanted: str, whole: bool) -> bool:
    """Whether an answer (``whole``, or cut at the token limit) equals the evaluated one as far as both go."""
    # without the half of a character at the end of the tokens
    answer, wanted = answer.removesuffix("\ufffd"), wanted.removesuffix("\ufffd")
    shared = min(len(answer), len(wanted))
    return shared > 0 and answer[:shared] == wanted[:shared] and not (whole and len(answer) < len(wanted))
