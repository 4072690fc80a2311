"""When memory runs out in training: what to try next, in the order in which it costs least.

checkpointing -> one row at a time, gathered -> shorter rows -> 4-bit base -> a smaller model. The first two change nothing of
the result but rounding, so that a checkpoint goes on; the third leaves rows out; the last two are never done by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gaslamp.core.errors import GaslampError

SHORTEST = 64  # tokens; below that no chat row fits
LEAST_ROWS = 0.5  # of the rows must stay when rows are left out by themselves


class OutOfMemory(GaslampError):
    """The allocator refused. ``tokens``: of the longest row of the batch, 0 when unknown."""

    def __init__(self, where: str, tokens: int = 0) -> None:
        super().__init__(f"not enough memory {where}", "see train.on_oom")
        self.where, self.tokens = where, tokens


@dataclass(frozen=True)
class Rung:
    """One thing to try: ``changes`` to train settings (empty: only a person can do it), and why."""

    name: str
    text: str
    changes: dict[str, Any] = field(default_factory=dict)
    keeps_result: bool = True  # checkpoints of before may be gone on with


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is an allocator's: PyTorch on a CPU, on CUDA and on MPS, MLX, and Python itself, each in its own words."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = (
        "out of memory",
        "not enough memory",
        "can't allocate memory",
        "cannot allocate memory",
        "failed to allocate",
        "unable to allocate",
        "attempting to allocate",
    )
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)


def get_rungs(train: dict[str, Any], lengths: list[int], backend: str, batch_is_loss: bool = False) -> list[Rung]:
    """What is left to try, the first to be tried first.

    Args:
        train: settings that just failed, with the preset filled in.
        lengths: tokens of each training row (zeros when unknown).
        backend: 4-bit weights need CUDA or MLX.
        batch_is_loss: rows of a batch are compared with each other, so that a smaller one learns something else.
    """
    rungs = []
    if not train["gradient_checkpointing"]:
        text = "train.gradient_checkpointing: true (about a third more time, the same result)"
        rungs.append(Rung("checkpointing", text, {"gradient_checkpointing": True}))
    if train["batch_size"] > 1 and not batch_is_loss:
        gathered = train["batch_size"] * train["gradient_accumulation"]
        text = f"train.batch_size: 1 with gradient_accumulation: {gathered} (the same steps, one row at a time)"
        rungs.append(Rung("one row at a time", text, {"batch_size": 1, "gradient_accumulation": gathered}))
    longest = min(train["max_length"], max(lengths, default=0) or train["max_length"])
    shorter = max(SHORTEST, longest // 2)
    if shorter < longest:
        kept = sum(length <= shorter for length in lengths) / len(lengths) if lengths else 0.0
        enough = train["packing"] or kept >= LEAST_ROWS
        text = f"train.max_length: {shorter}" + (
            ""
            if train["packing"]
            else f" ({kept:.0%} of the rows are that short; the others are left out)".replace("%", " %")
        )
        rungs.append(Rung("shorter rows", text, {"max_length": shorter} if enough else {}, keeps_result=False))
    if backend in ("cuda", "colab", "mac") and train.get("quantization") != "4bit":
        changes = (
            {"quantization": "4bit"} if "quantization" in train.get("choose", ()) else {}
        )  # left open in the config
        rungs.append(
            Rung(
                "4-bit base",
                "a base model in 4 bit (QLoRA): a quarter of the memory of its weights",
                changes,
                keeps_result=False,
            )
        )
    rungs.append(
        Rung(
            "smaller model",
            "a smaller model (model.source)"
            + ("" if backend in ("cuda", "colab", "mac") else "; 4-bit weights need an NVIDIA GPU or MLX"),
        )
    )
    return rungs


def refuse(error: OutOfMemory, rungs: list[Rung], tried: list[str]) -> GaslampError:
    """The error for a person: what to set first, then the rest of the ladder."""
    tried_text = f" (tried already: {', '.join(tried)})" if tried else ""
    rest = "; then ".join(rung.text for rung in rungs[1:])
    fix = (
        f"set {rungs[0].text}, or train.on_oom: adapt, which does it by itself"
        if rungs[0].changes
        else f"take {rungs[0].text}"
    )
    return GaslampError(f"not enough memory {error.where}{tried_text}", fix, f"then {rest}" if rest else None)
