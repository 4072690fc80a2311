"""Dequantize 4-bit weights of bitsandbytes (nf4, fp4) to 16 or 32 bit with torch alone, without a GPU.

An adapter that was trained on a 4-bit base was trained on exactly these values, so it is merged onto them, and never
onto weights that are then rounded to 4 bits once more.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json

if TYPE_CHECKING:
    import torch

_STATE = ".quant_state.bitsandbytes__"


class QuantState(TypedDict):
    """What bitsandbytes records of a 4-bit weight."""

    shape: list[int]
    blocksize: int
    nested_blocksize: int
    nested_offset: float


def is_quantized(folder: str | Path) -> bool:
    """Whether a checkpoint folder holds weights in fewer than 16 bits."""
    file = Path(folder) / "config.json"
    return file.is_file() and bool(read_json(file).get("quantization_config"))


def require_reversible(folder: str | Path) -> None:
    """Refuse weights that are quantized in another way than bitsandbytes' 4 bits.

    Raises:
        GaslampError: they are.
    """
    file = Path(folder) / "config.json"
    settings = (read_json(file).get("quantization_config") if file.is_file() else None) or {}
    if (Path(folder) / "quantize_config.json").is_file() and not settings:
        settings = {"quant_method": "gptq"}  # as AutoGPTQ saved it
    if settings and not (
        settings.get("quant_method", "bitsandbytes") == "bitsandbytes" and settings.get("load_in_4bit")
    ):
        raise GaslampError(
            f"the weights in {folder} are quantized with {settings.get('quant_method', 'an unknown method')}, "
            "which cannot be undone here",
            "set model.source to the 16-bit version of this model, or to a bnb-4bit one",
        )


def read_state(folder: str | Path, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The state dict of a checkpoint folder with every 4-bit weight in ``dtype``; the others as they are stored, cast.

    Raises:
        GaslampError: weights quantized in another way than bitsandbytes' 4 bits.
    """
    from safetensors.torch import load_file

    require_reversible(folder)
    tensors: dict[str, torch.Tensor] = {}
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


def dequantize(tensors: dict[str, torch.Tensor], weight: str, state: QuantState) -> torch.Tensor:
    """One weight in float32, in its original shape.

    Args:
        tensors: of the checkpoint. ``tensors[weight]`` holds two values a byte, the first in the upper half;
            ``<weight>.absmax`` the largest value of each block, itself in 8 bits when the state is nested.
        weight: name of the tensor.
        state: what bitsandbytes recorded.
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
