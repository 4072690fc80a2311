"""The columns of the chat page: tuned, the file that passed the parity gate, and base, the model before training.

Base is the base model's own file at the same level, made by the same rules and served by a second process. Where the
memory is too small for two models, one server answers as both: the adapter is loaded with the tuned file as a LoRA of
scale 0, which llama.cpp drops before it computes, and requests of the base column have scale -1, which subtracts what
training added. In a quantized file that is further from the base model, and the page says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from gaslamp.core.console import get_size
from gaslamp.core.contracts import BaseFile, LoraFile
from gaslamp.environment.hardware import get_memory
from gaslamp.export.first_answers import Agreement, Post, compare_beginnings, compare_tokens

ROWS = 4
SECONDS = 10.0
"""The check at the start prompts at most ROWS rows, and ends after SECONDS."""
OVERHEAD = 1.1
"""Memory of a loaded model over the size of its file, without the cache of its conversation."""
SPARE = 1_000_000_000
"""Bytes of memory that stay free."""


class LoraScale(TypedDict):
    """The scale of one adapter in a request."""

    id: int
    scale: float


class ColumnRequest(TypedDict, total=False):
    """Fields of every request of a column."""

    lora: list[LoraScale]
    id_slot: int
    cache_prompt: bool


class Column(TypedDict):
    """How a column is prompted."""

    url: str  # of its server
    request: ColumnRequest


@dataclass(frozen=True)
class Adapter:
    """The adapter to load with the file, or why the base model cannot be computed from it."""

    file: Path | None
    scale: float = 1.0
    reason: str = ""


@dataclass(frozen=True)
class BasePlan:
    """How the base column is served: by its own file, by subtracting the adapter, or not at all."""

    file: BaseFile | None = None
    adapter: Adapter | None = None
    reason: str = ""  # why it is not its own file


def find_adapter(folder: Path) -> Adapter:
    """The adapter in ``outputs/<run>/lora``."""
    if not (folder / "lora.json").is_file():
        return Adapter(None, reason=f"{folder} does not exist (make deploy writes it)")
    facts = LoraFile.read(folder / "lora.json")
    return Adapter(folder / facts.file if facts.file else None, facts.scale, facts.reason)


def plan_base(own: BaseFile, tuned: Path, cache_bytes: int, adapter: Adapter) -> BasePlan:
    """Decide how the base column is served.

    Args:
        own: the base model's own file, or why there is none.
        tuned: the file that is served.
        cache_bytes: memory that the conversation of one model takes.
        adapter: to fall back on.
    """
    reason = own.reason
    if own.file:
        files = own.size_bytes + tuned.stat().st_size
        needed, free = int(files * OVERHEAD) + 2 * cache_bytes + SPARE, int(get_memory()["available"] * 1e9)
        if needed <= free:
            return BasePlan(file=own)
        reason = f"two models need {get_size(needed)} of memory, {get_size(free)} are free"
    if adapter.file is None:
        return BasePlan(reason=f"{reason}; and it cannot be computed from the tuned file: {adapter.reason}")
    return BasePlan(adapter=adapter, reason=reason)


def get_columns(tuned_url: str, base_url: str | None, adapter: Adapter | None) -> dict[str, Column]:
    """The columns that are served, by name.

    With an adapter each column has its own slot, and so its own prompt cache. Naming scale and ``cache_prompt``
    together is safe: llama-server empties a slot whose last scale was another.

    Args:
        tuned_url: of the server of the tuned file.
        base_url: of the server of the base model's own file.
        adapter: that is subtracted instead.
    """
    if adapter and adapter.file:
        off: ColumnRequest = {"lora": [{"id": 0, "scale": 0.0}], "id_slot": 0, "cache_prompt": True}
        out: ColumnRequest = {"lora": [{"id": 0, "scale": -adapter.scale}], "id_slot": 1, "cache_prompt": True}
        return {"tuned": {"url": tuned_url, "request": off}, "base": {"url": tuned_url, "request": out}}
    columns: dict[str, Column] = {"tuned": {"url": tuned_url, "request": {}}}
    return columns | ({"base": {"url": base_url, "request": {}}} if base_url else {})


def check_columns(
    post: Post, columns: dict[str, Column], test: Path, predictions: dict[str, Path]
) -> dict[str, Agreement]:
    """Compare each column with the evaluation: tuned by how its answers begin, base token by token.

    The tuned file was evaluated itself. The base model was evaluated before quantization.

    Args:
        post: address, body and seconds of a request -> its decoded answer.
        columns: that are served.
        test: data/test.jsonl.
        predictions: column -> predictions file of the evaluation.
    """

    def get_post(column: Column) -> Post:
        return lambda path, body, seconds: post(f"{column['url']}{path}", body, seconds)

    compare = {"tuned": compare_beginnings, "base": compare_tokens}
    seconds = SECONDS / len(predictions)
    return {
        name: compare[name](get_post(columns[name]), {**columns[name]["request"]}, test, file, ROWS, seconds)
        for name, file in predictions.items()
        if name in columns and file.is_file()
    }
