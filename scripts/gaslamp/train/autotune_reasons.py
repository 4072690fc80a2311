"""Why autotune took each value, in words for train.json, log and roadbook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gaslamp.core.decisions import Decision
from gaslamp.train.gpu import Gpu
from gaslamp.train.lengths import Lengths, get_padding

if TYPE_CHECKING:
    from gaslamp.train.types import TrainSettings, TrainValues

RECOMPUTED = {"lora": 1.5, "none": 4 / 3}
"""Cost of gradient checkpointing: with frozen weights 6 operations a weight and token instead of 4, else 8 for 6."""
SAVED_PADDING = 0.1  # share of the computed tokens: less is not worth packing
LONGEST_MASK = 4096
"""Tokens of a packed sequence up to which a mask may keep its rows apart: the mask grows by the square of them."""


@dataclass(frozen=True)
class MemoryUse:
    """GPU memory of a choice in GB: needed, free, and what may be used of it."""

    need_gb: float
    room_gb: float
    limit_gb: float

    def describe(self) -> str:
        """A phrase with all figures."""
        share = self.need_gb / self.room_gb if self.room_gb else 0.0
        text = f"{self.need_gb:.1f} GB of {self.room_gb:.1f} calculated ({100 * share:.0f} %)"
        if self.need_gb > self.limit_gb:
            text += f", which is over {self.limit_gb:.1f} GB: nothing smaller is possible"
            text += "; the probe step shows whether it fits"
        return text


def explain(
    changes: TrainValues,
    memory: MemoryUse,
    train: TrainSettings,
    gpu: Gpu,
    lengths: Lengths,
    tokens: int,
    joined: bool = False,
) -> list[Decision]:
    """One decision for each value that was chosen.

    Args:
        changes: the values.
        memory: that they need.
        train: settings as the config has them, with the preset filled in.
        gpu: that trains.
        lengths: of the rows.
        tokens: of the largest forward pass.
        joined: the rows of a batch are one sequence without padding.
    """
    step_rows = train.batch_size * train.gradient_accumulation
    reasons = {
        "quantization": _explain_quantization,
        "gradient_checkpointing": _explain_checkpointing,
    }
    found = [
        Decision(name=name, value=changes[name], reason=why(changes, train))
        for name, why in reasons.items()
        if name in changes
    ]
    if "batch_size" in changes:
        size, accumulation = changes["batch_size"], changes["gradient_accumulation"]
        largest = size * accumulation == size
        why = (
            "the whole effective batch in one forward pass" if largest else f"forward passes of up to {tokens:,} tokens"
        )
        rows = (
            f"{size * accumulation} packed sequences hold about {step_rows} rows, the effective batch size"
            if changes.get("packing")
            else f"{step_rows} rows a step as in the preset"
        )
        found.append(Decision(name="batch_size", value=size, reason=f"{why}, {rows}; {memory.describe()}"))
        found.append(Decision(name="gradient_accumulation", value=accumulation, reason=f"{step_rows} rows a step"))
    if "packing" in changes:
        found.append(
            Decision(
                name="packing", value=changes["packing"], reason=_explain_packing(changes, train, gpu, lengths, joined)
            )
        )
    return found


def show(value: object) -> str:
    """A value as it is written in config.yaml."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _explain_quantization(changes: TrainValues, train: TrainSettings) -> str:
    if changes["quantization"] == "4bit":
        return "16-bit weights do not fit here"
    return "16-bit weights fit, which are exact and as fast"


def _explain_checkpointing(changes: TrainValues, train: TrainSettings) -> str:
    more = RECOMPUTED[train.adapter]
    if changes["gradient_checkpointing"]:
        return f"without it the activations do not fit; {(more - 1) * 100:.0f} % more is computed"
    return f"the activations fit, and {(1 - 1 / more) * 100:.0f} % less is computed"


def _explain_packing(changes: TrainValues, train: TrainSettings, gpu: Gpu, lengths: Lengths, joined: bool) -> str:
    step_rows = train.batch_size * train.gradient_accumulation
    padding = 100 * get_padding(lengths.tokens, step_rows, changes.get("batch_size", train.batch_size), train.seed)
    if train.packing:
        return "as in the method's preset"
    if changes["packing"]:
        saved = "passes of one length take less time" if joined else f"saves {padding:.0f} % of padding"
        return f"{saved}; {gpu.varlen or 'an attention mask'} keeps packed rows apart"
    if "batch_size" not in changes:
        return "the batch size is set, and packed a step would see more rows"
    if not gpu.varlen and (not joined or train.max_length > LONGEST_MASK):
        return "neither flash_attn nor xformers is installed, and a full mask costs more than padding"
    if lengths.mean * step_rows < train.max_length:
        return f"one packed sequence of {train.max_length} tokens would hold more rows than a step has"
    if joined:
        return "the rows of a batch are joined without padding, and packed sequences would not be faster"
    return f"rows of similar length are batched together, only {padding:.0f} % of the tokens are padding"
