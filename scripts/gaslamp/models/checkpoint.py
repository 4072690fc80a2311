"""Facts of a checkpoint folder, read from its config and the headers of its weights."""

from __future__ import annotations

import json
from pathlib import Path

from gaslamp.core.contracts import ModelFacts, Provenance
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, sha256_path, sha256_text


def read_model_folder(folder: Path) -> ModelFacts:
    """Facts of a checkpoint folder, from its config.json and the safetensors headers; loads no weights.

    Raises:
        GaslampError: a missing file, pickled weights, or no tokenizer.
    """
    config = read_json(folder / "config.json")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise GaslampError(
            f"{folder} has no *.safetensors weights",
            "save the model with save_pretrained(..., safe_serialization=True) or take a revision that has them",
            "only pickled weights (.bin) are there: gaslamp does not load pickle files",
        )
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        raise GaslampError(
            f"{folder} has no tokenizer", "save the tokenizer into the same folder (tokenizer.save_pretrained)"
        )
    parameters, hashes = 0, []
    dtypes: dict[str, int] = {}
    for file in weights:
        for shape, dtype in _read_header(file):
            count = 1
            for size in shape:
                count *= size
            parameters += count
            dtypes[dtype] = dtypes.get(dtype, 0) + count
        hashes.append(sha256_path(file))
    return ModelFacts(
        name=folder.name,
        source=str(folder),
        path=str(folder),
        sha256=hashes[0] if len(hashes) == 1 else sha256_text("".join(hashes)),
        architecture=(config.get("architectures") or ["unknown"])[0],
        parameters=parameters,
        dtype=max(dtypes, key=lambda key: dtypes[key]),
        context=config.get("max_position_embeddings"),
        size_bytes=sum(file.stat().st_size for file in weights),
        provenance=Provenance.start([]),
    )


def _read_header(file: Path) -> list[tuple[list[int], str]]:
    """Shape and type of every tensor in a safetensors file, from its header alone."""
    with file.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        try:
            if not 2 <= length <= min(100_000_000, file.stat().st_size):
                raise ValueError("the header's length is impossible")
            header = json.loads(handle.read(length))
        except ValueError as error:
            raise GaslampError(
                f"{file} is damaged: {error}",
                "download or copy the file again",
                "the disk was full when it was written",
            ) from error
    names = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    return [
        (item["shape"], names.get(item["dtype"], item["dtype"].lower()))
        for key, item in header.items()
        if key != "__metadata__"
    ]
