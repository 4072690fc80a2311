"""How long a training takes, calculated: operations of a token over operations a second. Standard library and PyYAML.

What a machine does in a second is measured where it trained before (train.json), and else taken from a table and from
one GPU that was measured (docs/hardware.md): a guess, within a factor of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

from gaslamp.core.files import JsonObject
from gaslamp.environment.machines import Machine, find_processor
from gaslamp.models.shape import Shape

REACHED = 0.54
"""Share of a GPU's peak that a very large model reaches: fitted to an H200, 8B 7,396 and 1B 11,867 tokens/s (packed,
rows of mixed lengths, without checkpointing)."""
HALF_SIZE = 10.0
"""Parameters in billions at which a GPU of HALF_TFLOPS reaches half of that: small models wait for launches."""
HALF_TFLOPS = 989.0
APPLE_REACHED = 0.3
"""Share of its peak that the GPU of a Mac is taken to reach. No Mac was measured."""
CORE_FLOPS = 40e9
"""Operations a second of a processor core in float32: the embedded task on two x86 cores (docs/measurements.md)."""
TRAINED = {"lora": 4.0, "none": 6.0}
"""Operations for each weight and token: forward 2, gradients of activations 2, gradients of weights 2 if trained."""
COMPARED = 2.0
"""More of them where a copy of the untrained model reads the row too."""
AGAIN = 1.3
"""Time with gradient checkpointing over time without it (H200: 1.16 at 8B, 1.40 at 1B; 1.5 by operations)."""


@dataclass(frozen=True)
class Measured:
    """What a machine did in a training that ended, or in one step."""

    flops: float  # operations a second
    shape: Shape
    profile: str
    reason: str


@dataclass(frozen=True)
class Speed:
    """Operations a second that a training of a model gets, and where the figure is from."""

    flops: float
    reason: str
    is_measured: bool = False


def get_operations(
    shape: Shape, adapter: str = "lora", checkpointing: bool = False, is_compared: bool = False
) -> float:
    """Operations for one token of the data, in the time of a step that they cost."""
    each = TRAINED[adapter] * (AGAIN if checkpointing else 1) + (COMPARED if is_compared else 0)
    return each * shape.computed


def read_measured(facts: JsonObject, shape: Shape | None = None) -> Measured | None:
    """What a training on this machine measured.

    Args:
        facts: contents of a train.json.
        shape: of its base model; ``None``: only its size is known.

    Returns:
        ``None`` when it counted no tokens.
    """
    speed, parameters = facts.get("tokens_per_second"), facts.get("total_parameters")
    if not speed or not parameters:
        return None
    settings = facts.get("settings") or {}
    shape = shape or Shape(int(parameters), 0, 0, 0)
    operations = get_operations(
        shape, settings.get("adapter") or "lora", bool(settings.get("gradient_checkpointing")), False
    )
    when = str((facts.get("provenance") or {}).get("ended") or "")[:10]
    reason = f"measured by a training of {shape.parameters / 1e9:.2g}B parameters here{f' on {when}' if when else ''}"
    return Measured(float(speed) * operations, shape, str(facts.get("backend") or ""), reason)


def read_step(tokens: float, seconds: float, shape: Shape, profile: str, train: SimpleNamespace) -> Measured:
    """What one step measured.

    Args:
        tokens: of the rows in it.
        seconds: that it took.
        shape: of the base model.
        profile: that it ran with.
        train: its settings: adapter and gradient_checkpointing.
    """
    operations = get_operations(shape, train.adapter, train.gradient_checkpointing)
    return Measured(tokens / seconds * operations, shape, profile, "measured by one step here")


def get_speed(machine: Machine, profile: str, shape: Shape, measured: Sequence[Measured] = ()) -> Speed:
    """Operations a second for a model: from the nearest measured training of this profile, else from the tables.

    Args:
        machine: that trains.
        profile: cpu, cuda, mac, mps.
        shape: of the base model.
        measured: trainings on this machine.
    """
    own = [one for one in measured if one.profile == profile]
    if own:
        nearest = min(own, key=lambda one: abs(one.shape.computed - shape.computed))
        share = _get_share(machine, profile, shape) / _get_share(machine, profile, nearest.shape)
        return Speed(nearest.flops * share, nearest.reason, is_measured=True)
    processor = find_processor(machine)
    if profile in ("mac", "mps") and processor:
        reason = f"{processor.tflops:g} TFLOPS at most ({processor.source}), {100 * APPLE_REACHED:.0f} % of it taken"
        return Speed(processor.tflops * 1e12 * APPLE_REACHED, f"{reason}; no Mac was measured")
    if profile == "cuda" and processor:
        share = _get_share(machine, profile, shape)
        reason = f"{processor.tflops:g} TFLOPS at most ({processor.source}), {100 * share:.0f} % of it"
        return Speed(processor.tflops * 1e12 * share, f"{reason} at this size, fitted to an H200")
    cores = int(machine.get("cores") or 1)
    return Speed(cores * CORE_FLOPS, f"{cores} cores with {CORE_FLOPS / 1e9:.0f} GFLOPS each, as two x86 cores reached")


def _get_share(machine: Machine, profile: str, shape: Shape) -> float:
    """Share of its peak that a GPU reaches with a model of this size; 1 for processors."""
    processor = find_processor(machine)
    if profile != "cuda" or processor is None:
        return 1.0
    size = shape.computed / 1e9
    return REACHED * size / (size + HALF_SIZE * processor.tflops / HALF_TFLOPS)


def get_hours(tokens: float, operations: float, speed: Speed) -> float:
    """Hours for ``tokens`` of the data, all epochs together."""
    return tokens * operations / speed.flops / 3600
