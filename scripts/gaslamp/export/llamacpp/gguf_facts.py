"""What a GGUF file's metadata says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, TypedDict

from gaslamp.core.errors import GaslampError


class GgufFacts(TypedDict):
    """What a GGUF file's metadata says."""

    size_bytes: int
    bits_per_weight: float  # tensor bits over weights
    architecture: str | None
    n_tensors: int
    n_parameters: int
    quantizations: dict[str, int]  # tensor type -> number of tensors
    eos_id: int | None
    bos_id: int | None
    add_bos: bool | None
    tokenizer: str | None
    vocab_size: int | None
    chat_template: str | None
    context_length: int | None
    rope_freq_base: float | None


def read_gguf_facts(path: Path) -> GgufFacts:
    """The metadata of a GGUF file; None for what it does not have."""
    import gguf

    check_gguf(path)
    reader = gguf.GGUFReader(path)

    def get(key: str) -> Any:
        field = reader.get_field(key)
        return field.contents() if field else None

    architecture = get("general.architecture")
    weights = sum(int(tensor.n_elements) for tensor in reader.tensors)
    bits = 8 * sum(int(tensor.n_bytes) for tensor in reader.tensors)
    tokens = reader.get_field("tokenizer.ggml.tokens")
    return {
        "size_bytes": Path(path).stat().st_size,
        "bits_per_weight": round(bits / weights, 3),
        "architecture": architecture,
        "n_tensors": len(reader.tensors),
        "n_parameters": weights,
        "quantizations": dict(Counter(tensor.tensor_type.name for tensor in reader.tensors).most_common()),
        "eos_id": get("tokenizer.ggml.eos_token_id"),
        "bos_id": get("tokenizer.ggml.bos_token_id"),
        "add_bos": get("tokenizer.ggml.add_bos_token"),
        "tokenizer": get("tokenizer.ggml.model"),
        "vocab_size": len(tokens.data) if tokens else None,
        "chat_template": get("tokenizer.chat_template"),
        "context_length": get(f"{architecture}.context_length"),
        "rope_freq_base": get(f"{architecture}.rope.freq_base"),
    }


def check_gguf(path: Path) -> None:
    """Raise GaslampError unless ``path`` starts like a GGUF file with at least one tensor."""
    with Path(path).open("rb") as handle:
        head = handle.read(16)
    if len(head) < 16 or head[:4] != b"GGUF" or int.from_bytes(head[8:16], "little") == 0:
        raise GaslampError(
            f"{path} is not a GGUF model file",
            f"delete {path} and run snakemake again: it is made again",
            "the disk was full when it was written",
        )


def is_bos_added(path: Path) -> bool:
    """Whether llama.cpp puts a BOS token before a text; without the setting the kind of vocabulary decides."""
    facts = read_gguf_facts(path)
    return facts["add_bos"] if facts["add_bos"] is not None else facts["tokenizer"] == "llama"


def stop_adding_bos(path: Path) -> None:
    """Record that no BOS token is put before a text; the file must have the setting."""
    import gguf

    field = gguf.GGUFReader(path, "r+").get_field("tokenizer.ggml.add_bos_token")
    assert field is not None
    field.parts[field.data[0]][0] = False
