"""tokenizer.model for llama.cpp's converter, made from tokenizer.json where a model folder has only that.

The converters of Gemma 1 and 2 and of Phi-3 refuse a folder without tokenizer.model; those of Llama and Mistral take
tokenizer.json, but give all tokens one score, so that llama.cpp merges other pieces than the trainer, and write fewer
tokens than a padded embedding has rows. All that they read of tokenizer.model is pieces, scores and types.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_json

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_UNMERGED = -1e6  # score of a piece that no merge makes: below all others


def is_sentencepiece(tokenizer: JsonObject) -> bool:
    """Whether the contents of a tokenizer.json are a SentencePiece BPE model: byte fallback, no byte-level letters."""
    model = tokenizer["model"]
    return model.get("type") == "BPE" and bool(model.get("byte_fallback")) and "<0x00>" in model["vocab"]


def get_space_prefix(tokenizer: JsonObject) -> bool:
    """Whether a space is put before every text between special tokens, as llama.cpp's add_space_prefix does.

    A prefix for the first text only (``prepend_scheme: first``) is none for llama.cpp: a rendered conversation begins
    with a special token.
    """
    parts = [
        part
        for value in (tokenizer.get("normalizer"), tokenizer.get("pre_tokenizer"))
        if value
        for part in (value.get("normalizers") or value.get("pretokenizers") or [value])
    ]
    return any(
        part["type"] == "Prepend" or (part["type"] == "Metaspace" and part.get("prepend_scheme", "always") == "always")
        for part in parts
    )


def write_sentencepiece(folder: Path, out: Path) -> bool:
    """Write ``out`` (tokenizer.model) from tokenizer.json in ``folder``; False when that is no SentencePiece model.

    The score of a piece is minus the place of the first merge that makes it: that order is what tokenizer.json keeps
    of the original scores, and what llama.cpp merges by.

    Raises:
        GaslampError: a package that writes it is missing.
    """
    file = folder / "tokenizer.json"
    tokenizer = read_json(file) if file.is_file() else {}
    if not tokenizer or not is_sentencepiece(tokenizer):
        return False
    try:
        from sentencepiece import sentencepiece_model_pb2
    except ModuleNotFoundError as error:  # sentencepiece does not bring protobuf
        raise GaslampError(
            f"the tokenizer of {folder.name} cannot be written for llama.cpp: the package {error.name} is missing",
            "pip install protobuf sentencepiece, into the environment of this project",
            "make setup in the clone that this project shares its .venv with",
        ) from error

    messages: Any = sentencepiece_model_pb2  # its classes are made when it is imported: types do not know them
    kinds = messages.ModelProto.SentencePiece.Type
    model, vocabulary = tokenizer["model"], tokenizer["model"]["vocab"]
    ranks: dict[str, int] = {}
    for place, merge in enumerate(model["merges"], 1):
        left, right = merge if isinstance(merge, list) else merge.split(" ", 1)
        ranks.setdefault(left + right, place)
    special = {token["content"] for token in tokenizer["added_tokens"] if token["special"]}
    proto = messages.ModelProto()
    proto.trainer_spec.model_type = messages.TrainerSpec.BPE
    proto.trainer_spec.byte_fallback = True
    proto.normalizer_spec.add_dummy_prefix = get_space_prefix(tokenizer)
    proto.normalizer_spec.remove_extra_whitespaces = False
    by_id = {number: token for token, number in vocabulary.items()}
    # some publishers print a byte's piece as its letter (Gemma 2: a tab)
    missing = [byte for byte in range(256) if f"<0x{byte:02X}>" not in vocabulary]
    by_id |= {vocabulary[chr(byte)]: f"<0x{byte:02X}>" for byte in missing if chr(byte) in vocabulary}
    # an id that no token has is a hole: it gets a name, because places in the list are ids
    for number in range(max(by_id) + 1):
        token = by_id.get(number, f"[PAD{number}]")
        kind = kinds.Value("NORMAL")
        if number not in by_id:
            kind = kinds.Value("UNUSED")
        elif token == model.get("unk_token"):
            kind = kinds.Value("UNKNOWN")
        elif _BYTE.fullmatch(token):
            kind = kinds.Value("BYTE")
        elif token in special:
            kind = kinds.Value("CONTROL")
        proto.pieces.add(piece=token, score=float(-ranks[token]) if token in ranks else _UNMERGED, type=kind)
    out.write_bytes(proto.SerializeToString())
    return True
