"""Weights that were stored in 4 bits (bitsandbytes: nf4, fp4), as 16- or 32-bit weights again, with torch alone.

An adapter that was trained on a 4-bit base was trained on exactly these values: it is merged onto them, never onto weights
that are then rounded to 4 bits once more, and without a GPU.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json

_STATE = ".quant_state.bitsandbytes__"


def is_quantized(folder: str | Path) -> bool:
    """Whether a checkpoint folder holds weights in fewer than 16 bits."""
    file = Path(folder) / "config.json"
    return file.is_file() and bool(read_json(file).get("quantization_config"))


def read_state(folder: str | Path, dtype: Any) -> dict[str, Any]:
    """The state dict of a checkpoint folder with every 4-bit weight in ``dtype``; the others as they are stored, cast.

    Raises:
        GaslampError: weights quantized in another way than bitsandbytes' 4 bits.
    """
    from safetensors.torch import load_file

    settings = read_json(Path(folder) / "config.json").get("quantization_config") or {}
    if settings and not (
        settings.get("quant_method", "bitsandbytes") == "bitsandbytes" and settings.get("load_in_4bit")
    ):
        raise GaslampError(
            f"the weights in {folder} are quantized ({settings.get('quant_method', 'unknown')}) in a way that cannot be undone here",
            "set model.source to the 16-bit version of this model, or to a bnb-4bit one",
        )
    tensors: dict[str, Any] = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        tensors |= load_file(file)
    states = {name: name.partition(_STATE)[0] for name in tensors if _STATE in name}
    inner = {
        f"{weight}.{part}"
        for weight in states.values()
        for part in ("absmax", "quant_map", "nested_absmax", "nested_quant_map")
    }
    plain = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in tensors.items()
        if name not in inner and name not in states
    }
    for state, weight in states.items():
        plain[weight] = dequantize(tensors, weight, json.loads(bytes(tensors[state].tolist()).decode())).to(dtype)
    return plain


def dequantize(tensors: dict[str, Any], weight: str, state: dict[str, Any]) -> Any:
    """One weight in float32.

    Args:
        tensors: of the checkpoint; ``weight`` holds two values a byte, the first in the upper half.
        weight: its name; ``weight``.absmax has the largest value of each block, itself stored in 8 bits when the state
            is nested.
        state: what bitsandbytes recorded: shape, blocksize, nested_blocksize, nested_offset.
    """
    import torch

    packed = tensors[weight].flatten()
    index = torch.stack([packed >> 4, packed & 15], dim=1).flatten().long()
    absmax = tensors[f"{weight}.absmax"]
    if f"{weight}.nested_absmax" in tensors:
        outer = tensors[f"{weight}.nested_absmax"].repeat_interleave(int(state["nested_blocksize"]))[: absmax.numel()]
        absmax = tensors[f"{weight}.nested_quant_map"][absmax.long()] * outer + float(state["nested_offset"])
    count = 1
    for size in state["shape"]:
        count *= size
    values = (
        tensors[f"{weight}.quant_map"][index[:count]]
        * absmax.float().repeat_interleave(int(state["blocksize"]))[:count]
    )
    return values.reshape(state["shape"])
