"""What a GGUF file's metadata says."""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from gaslamp.core.errors import GaslampError

if TYPE_CHECKING:
    from gguf import GGUFReader


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
    origin: str | None  # general.description: run, rows and adapter that the model was made from


def open_gguf(path: Path, mode: Literal["r", "r+"] = "r") -> GGUFReader:
    """gguf's reader, with arrays read in one pass.

    The package makes views of every token and every merge: 7 s for a vocabulary of 152,000 tokens, and a run reads such
    files a dozen times. Entries of a list of texts are memory views here, a list of numbers is one part.
    """
    import gguf

    class Reader(gguf.GGUFReader):
        def _get_field_parts(self, orig_offs: int, raw_type: int) -> Any:
            kinds = gguf.GGUFValueType
            item = kinds(int(self._get(orig_offs, "uint32")[0])) if raw_type == kinds.ARRAY else None
            number = self.gguf_scalar_to_np.get(item) if item is not None else None
            if (item != kinds.STRING and number is None) or self.byte_order == "S":
                return super()._get_field_parts(orig_offs, raw_type)
            parts: list[Any] = [self._get(orig_offs, "uint32"), self._get(orig_offs + 4, "uint64")]
            count, offs = int(parts[1][0]), orig_offs + 12
            if number is not None:
                parts.append(self._get(offs, number, count))
                return 12 + int(parts[2].nbytes), parts, [2], [kinds.ARRAY, item]
            data, length = self.data.data, Struct("<Q")
            for _ in range(count):
                end = offs + 8 + length.unpack_from(data, offs)[0]
                parts.append(data[offs + 8 : end])
                offs = end
            return offs - orig_offs, parts, list(range(2, 2 + count)), [kinds.ARRAY, item]

    return Reader(path, mode)


def read_gguf_facts(path: Path) -> GgufFacts:
    """The metadata of a GGUF file; None for what it does not have."""
    check_gguf(path)
    reader = open_gguf(path)

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
        "origin": get("general.description"),
    }


def read_origin(path: Path) -> str | None:
    """Where a GGUF file from elsewhere says that it comes from; ``None`` where it says nothing, or cannot be read."""
    try:
        return read_gguf_facts(path)["origin"]
    except (GaslampError, ValueError, LookupError, ArithmeticError, struct.error, MemoryError):  # it may be damaged
        return None


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
    field = open_gguf(path, "r+").get_field("tokenizer.ggml.add_bos_token")
    assert field is not None
    field.parts[field.data[0]][0] = False
