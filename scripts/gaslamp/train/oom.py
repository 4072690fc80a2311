"""When memory runs out in training: what to try next, in the order in which it costs least.

gradient checkpointing -> batch size 1 with gradient accumulation -> shorter rows -> 4-bit base -> a smaller model. The
first two change the result by rounding only, so that a checkpoint can be resumed; the third leaves rows out; the last
two are never taken automatically, unless the config left the value open.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gaslamp.core.errors import GaslampError
from gaslamp.environment.memory_estimate import get_leaner
from gaslamp.train.types import TrainValues

SHORTEST = 64  # tokens; below that no chat row fits
LEAST_ROWS = 0.5  # share of the rows that must stay when rows are left out automatically


class OutOfMemory(GaslampError):
    """The allocator refused. ``tokens``: of the longest row of the batch, 0 when unknown."""

    def __init__(self, where: str, tokens: int = 0) -> None:
        super().__init__(f"not enough memory {where}", "see train.on_oom")
        self.where, self.tokens = where, tokens


@dataclass(frozen=True)
class StepDown:
    """One thing to try: ``changes`` to train settings (empty: only a person can make them), and why."""

    name: str
    text: str
    changes: TrainValues = field(default_factory=dict)
    keeps_result: bool = True  # earlier checkpoints may be resumed


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is an allocator's: PyTorch on CPU, CUDA and MPS, MLX, and Python itself word it differently."""
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


def get_steps_down(
    train: TrainValues, lengths: list[int], quantizes: bool, batch_is_loss: bool = False
) -> list[StepDown]:
    """What is left to try, the first to be tried first.

    Args:
        train: settings that just failed, with the preset filled in.
        lengths: tokens of each training row (zeros when unknown).
        quantizes: whether the backend holds base models in 4 bits.
        batch_is_loss: rows of a batch are compared with each other, so that a smaller batch learns something else.
    """
    steps = [StepDown(*step) for step in get_leaner(train, batch_is_loss)]
    longest = min(train["max_length"], max(lengths, default=0) or train["max_length"])
    shorter = max(SHORTEST, longest // 2)
    if shorter < longest:
        kept = sum(length <= shorter for length in lengths) / len(lengths) if lengths else 0.0
        enough = train["packing"] or kept >= LEAST_ROWS
        share = f" ({kept:.0%} of the rows are that short; the others are left out)".replace("%", " %")
        text = f"train.max_length: {shorter}" + ("" if train["packing"] else share)
        steps.append(StepDown("shorter rows", text, {"max_length": shorter} if enough else {}, keeps_result=False))
    if quantizes and train.get("quantization") != "4bit":
        is_open = "quantization" in train.get("choose", ())  # left open in the config
        text = "a base model in 4 bit (QLoRA): a quarter of the memory of its weights"
        steps.append(StepDown("4-bit base", text, {"quantization": "4bit"} if is_open else {}, keeps_result=False))
    hint = "" if quantizes else "; 4-bit weights need an NVIDIA GPU or MLX"
    steps.append(StepDown("smaller model", f"a smaller model (model.source){hint}"))
    return steps


def get_oom_error(error: OutOfMemory, steps: list[StepDown], tried: list[str]) -> GaslampError:
    """The error for a person: what to set first, then the rest.

    Args:
        error: of the allocator.
        steps: what is left to try; at least one.
        tried: names of the steps that were taken already.
    """
    tried_text = f" (tried already: {', '.join(tried)})" if tried else ""
    rest = "; then ".join(step.text for step in steps[1:])
    fix = (
        f"set {steps[0].text}, or train.on_oom: adapt, which does it automatically"
        if steps[0].changes
        else f"take {steps[0].text}"
    )
    # for the next project: everything that needs less memory and gives the same result
    same = {f"train.{key}": value for step in steps if step.keeps_result for key, value in step.changes.items()}
    cause = f"not enough memory {error.where}{tried_text}"
    return GaslampError(cause, fix, f"then {rest}" if rest else None, settings=same)
