"""Facts of a checkpoint folder, read from its config and the headers of its weights."""

from __future__ import annotations

import importlib.util
import json
import math
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from gaslamp.config.base_models import ENCODERS
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, sha256_path, sha256_text
from gaslamp.models.shape import Shape, get_shape_of_config


def check_model_folder(folder: Path) -> None:
    """Refuse a folder that is no whole checkpoint, by its files and its config; reads no weights.

    Raises:
        GaslampError: a missing or damaged file, pickled weights, or no tokenizer.
    """
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        _require_object(folder / name)
    weights = list_weights(folder)
    if not weights or weights[0].name.startswith("adapter_model"):
        raise GaslampError(
            f"{folder} has no *.safetensors weights",
            "save the model with save_pretrained(..., safe_serialization=True) or take a revision that has them",
            "only pickled weights (.bin) are there: gaslamp does not load pickle files",
        )
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        raise GaslampError(
            f"{folder} has no tokenizer", "save the tokenizer into the same folder (tokenizer.save_pretrained)"
        )
    _require_parts(folder)
    _require_known_kind(folder)
    read_tensors(folder)  # headers: a file that was cut is said


def _require_parts(folder: Path) -> None:
    """Refuse a folder whose index of weights names files that are not there."""
    index = folder / "model.safetensors.index.json"
    _require_object(index)
    parts = set((read_json(index).get("weight_map") or {}).values()) if index.is_file() else set()
    if missing := sorted(part for part in parts if not (folder / part).is_file()):
        raise GaslampError(
            f"the weights in {folder} are not complete: {len(missing)} of {len(parts)} files are missing "
            f"({', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''})",
            "copy or download the folder again",
            f"one file holds all weights: delete {index.name}",
        )


def _require_known_kind(folder: Path) -> None:
    """Refuse an architecture whose name the installed transformers does not have; it is not imported for that."""
    kind, spec = read_json(folder / "config.json").get("model_type"), importlib.util.find_spec("transformers")
    if not kind or not spec or not spec.submodule_search_locations:
        return
    lists = Path(spec.submodule_search_locations[0]) / "models" / "auto"
    texts = [file.read_text(encoding="utf-8") for file in lists.glob("*.py")]
    if texts and not any(f'"{kind}"' in text for text in texts):
        raise GaslampError(
            f"transformers {version('transformers')} cannot build the model in {folder}: it has no model_type {kind}",
            "set model.source to a model of a family that docs/models.md lists; code from a model folder is never run",
            "the model is newer than the installed transformers: install a newer one into .venv",
        )


def _require_object(file: Path) -> None:
    """Refuse a file of a model folder that is no JSON object; it belongs to the user, and no step makes it again."""
    try:
        fault = None
        if file.is_file() and not isinstance(json.loads(file.read_text(encoding="utf-8")), dict):
            fault = "it holds no JSON object"
    except ValueError as error:
        fault = f"not valid JSON ({error})"
    if fault:
        raise GaslampError(
            f"{file} is damaged: {fault}",
            "download or copy the model folder again",
            "the disk was full when it was written",
        )


def list_weights(folder: Path) -> list[Path]:
    """The safetensors files that transformers loads: not the second copy in Mistral's own layout, nor an adapter."""
    files = sorted(folder.glob("*.safetensors"))
    others = [file for file in files if not file.name.startswith(("consolidated", "adapter_model"))]
    return others or files


def get_weights_hash(folder: Path) -> str:
    """sha256 of the adapter's tensors, or of the whole model's."""
    files = sorted(folder.rglob("*.safetensors"))
    return sha256_path(files[0]) if len(files) == 1 else sha256_text("".join(sha256_path(file) for file in files))


def is_encoder_model(folder: str | Path) -> bool:
    """Whether a checkpoint is an encoder: it makes vectors and writes no text."""
    file = Path(folder) / "config.json"
    return file.is_file() and (read_json(file).get("architectures") or [""])[0] in ENCODERS


VISION_PARTS = ("vision", "visual", "image", "connector", "projector", "merger")
"""Words in the names of the modules that read images."""


def is_vision(folder: str | Path) -> bool:
    """Whether a checkpoint reads images."""
    return "vision_config" in read_json(Path(folder) / "config.json")


class Tensor(NamedTuple):
    """One stored tensor. ``parameters``: the weights that it holds, also where several share a byte."""

    name: str
    shape: list[int]
    dtype: str
    parameters: int


def read_tensors(folder: Path) -> list[Tensor]:
    """Every tensor of a checkpoint folder, from the headers of its safetensors files; loads no weights.

    Raises:
        GaslampError: a file is damaged.
    """
    stored = [entry for file in list_weights(folder) for entry in _read_header(file)]
    names = {name for name, _, _ in stored}
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    bits = int((config.get("quantization_config") or {}).get("bits") or 4)
    return [Tensor(*entry, _count_parameters(*entry, names, bits)) for entry in stored]


def count_parameters(folder: Path) -> int:
    """Parameters of a checkpoint folder, all experts of a mixture counted. Raises as read_tensors."""
    return sum(tensor.parameters for tensor in read_tensors(folder))


def read_shape(folder: Path) -> Shape:
    """The shape of a model, from the config.json and the headers of the weight files in its folder."""
    config = read_json(folder / "config.json")
    try:
        parameters = count_parameters(folder)
    except GaslampError:  # a damaged file: its size has to do here, and the rule fetch_model says which one it is
        text = {**config, **(config.get("text_config") or {})}
        size = 4 if "float32" in str(text.get("dtype") or text.get("torch_dtype") or "float32") else 2
        parameters = sum(file.stat().st_size for file in list_weights(folder)) // size
    return get_shape_of_config(config, parameters)


SCALES = (".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", ".SCB", ".weight_format")
"""Ends of the names of what bitsandbytes stores with a quantized weight."""
OTHER_SCALES = (".qzeros", ".scales", ".g_idx", "_scales", ".weight_scale", ".weight_zero_point", ".weight_shape")
"""The same for GPTQ, AWQ, MXFP4, FP8 and compressed-tensors."""


def _count_parameters(name: str, shape: list[int], dtype: str, names: set[str], bits: int) -> int:
    """The weights in one stored tensor. A quantized checkpoint packs several into one element, next to their scales."""
    if name.endswith((*SCALES, *OTHER_SCALES, "weight_scale_inv")) or ".quant_state." in name:
        return 0
    packed = 1
    if dtype == "u8" and (f"{name}.absmax" in names or name.endswith("_blocks")):
        packed = 2
    elif dtype == "i32" and name.endswith(("qweight", "weight_packed")):
        packed = 32 // bits
    return math.prod(shape) * packed


def _read_header(file: Path) -> list[tuple[str, list[int], str]]:
    """Name, shape and type of every tensor in a safetensors file, from its header alone."""
    with file.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        try:
            if not 2 <= length <= min(100_000_000, file.stat().st_size):
                raise ValueError("the header's length is impossible")
            header = json.loads(handle.read(length))
            end = (
                8
                + length
                + max((item["data_offsets"][1] for key, item in header.items() if key != "__metadata__"), default=0)
            )
            if file.stat().st_size < end:
                raise ValueError(f"{file.stat().st_size:,} bytes of {end:,} are there")
        except ValueError as error:
            raise GaslampError(
                f"{file} is damaged: {error}",
                "download or copy the file again",
                "the disk was full when it was written",
            ) from error
    names = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    return [
        (key, item["shape"], names.get(item["dtype"], item["dtype"].lower()))
        for key, item in header.items()
        if key != "__metadata__"
    ]
