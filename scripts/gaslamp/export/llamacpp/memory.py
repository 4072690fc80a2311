"""What a served model takes of the memory besides its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gaslamp.export.llamacpp.gguf_facts import open_gguf


def get_cache_bytes(file: Path, context: int) -> int:
    """Bytes of the key-value cache of one conversation of ``context`` tokens, in 16 bit, from a GGUF file's metadata.

    Sliding windows and the states of recurrent layers are smaller: it is an upper bound for them.
    """
    reader = open_gguf(file)

    def get(name: str) -> Any:
        field = reader.get_field(name)
        return field.contents() if field else None

    name = get("general.architecture")
    layers = int(get(f"{name}.block_count") or 0)
    heads = _get_list(get(f"{name}.attention.head_count"), layers)
    shared = _get_list(get(f"{name}.attention.head_count_kv"), layers) or heads
    width = int(get(f"{name}.embedding_length") or 0) // max(1, *heads, 1)
    key = int(get(f"{name}.attention.key_length") or width)
    value = int(get(f"{name}.attention.value_length") or width)
    return 2 * context * (key + value) * sum(shared)


def _get_list(value: Any, count: int) -> list[int]:
    """One number for each layer: some models have as many, others one for all."""
    if value is None:
        return []
    return [int(each) for each in value] if isinstance(value, list) else [int(value)] * count
