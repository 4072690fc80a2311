"""The facts of a checkpoint folder that steps record. Apart from checkpoint.py, which runs without pydantic."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.contracts import ModelFacts, Provenance
from gaslamp.core.files import read_json, sha256_path, sha256_text
from gaslamp.models.checkpoint import check_model_folder, list_weights, read_tensors


def read_model_folder(folder: Path) -> ModelFacts:
    """Facts of a checkpoint folder, from its config.json and the safetensors headers; the weights are hashed.

    Raises:
        GaslampError: a missing file, pickled weights, or no tokenizer.
    """
    check_model_folder(folder)
    config = read_json(folder / "config.json")
    weights = list_weights(folder)
    hashes = [sha256_path(file) for file in weights]
    dtypes: dict[str, int] = {}
    for tensor in read_tensors(folder):
        dtypes[tensor.dtype] = dtypes.get(tensor.dtype, 0) + tensor.parameters
    return ModelFacts(
        name=folder.name,
        source=str(folder),
        path=str(folder),
        sha256=hashes[0] if len(hashes) == 1 else sha256_text("".join(hashes)),
        architecture=(config.get("architectures") or ["unknown"])[0],
        parameters=sum(dtypes.values()),
        dtype=max(dtypes, key=lambda key: dtypes[key]),
        context=config.get("max_position_embeddings"),
        size_bytes=sum(file.stat().st_size for file in weights),
        provenance=Provenance.start([]),
    )
