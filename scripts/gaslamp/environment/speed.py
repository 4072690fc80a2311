"""How long a training takes, calculated: operations of a token over operations a second. Standard library and PyYAML.

What a machine does in a second is measured where it trained before (train.json), and else taken from a table and from
one GPU that was measured (docs/hardware.md): a guess, within a factor of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from gaslamp.config.preset_layers import count_epochs, read_method
from gaslamp.core import registry
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
    shape = shape or Shape(int(parameters), 0, 0, 0)
    when = str((facts.get("provenance") or {}).get("ended") or "")[:10]
    reason = f"measured by a training of {show_billions(shape)} parameters here{f' on {when}' if when else ''}"
    return Measured(float(speed) * _get_each(facts, shape), shape, str(facts.get("backend") or ""), reason)


def read_steps(events: Sequence[JsonObject], shape: Shape | None = None) -> Measured | None:
    """What the steps of a training measured that has not ended, or was stopped.

    Args:
        events: of its metrics.jsonl.
        shape: of its base model; ``None``: only its size is known.

    Returns:
        ``None`` before the end of the first step.
    """
    start = next((event for event in reversed(events) if event.get("event") == "start"), None)
    steps = [event for event in events if event.get("event") == "step" and event.get("tokens")]
    seconds = sum(float(event.get("seconds") or 0) for event in steps)
    if start is None or not seconds or not start.get("parameters"):
        return None
    shape = shape or Shape(int(start["parameters"]), 0, 0, 0)
    number = "one step" if len(steps) == 1 else f"{len(steps)} steps"
    reason = f"measured by {number} of a training of {show_billions(shape)} parameters here"
    flops = sum(event["tokens"] for event in steps) / seconds * _get_each(start, shape)
    return Measured(flops, shape, str(start.get("backend") or ""), reason)


def _get_each(facts: JsonObject, shape: Shape) -> float:
    """Operations for a token in a training: facts with ``settings`` (section train) and ``method``."""
    settings, method = facts.get("settings") or {}, str(facts.get("method") or "")
    plugin = read_method(method) if method and registry.find("methods", method) else SimpleNamespace()
    return get_operations(
        shape, settings.get("adapter") or "lora", bool(settings.get("gradient_checkpointing")), is_compared(plugin)
    )


def is_compared(plugin: object) -> bool:
    """Whether a copy of the untrained model reads each row too."""
    return getattr(plugin, "SEQUENCES", 1) > 1 and bool(getattr(plugin, "REFERENCE", True))


def show_billions(shape: Shape) -> str:
    """``0.4M``, ``0.13B``, ``7.6B``."""
    return f"{shape.parameters / 1e6:.2g}M" if shape.parameters < 1e7 else f"{shape.parameters / 1e9:.2g}B"


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
        return Speed(processor.tflops * 1e12 * share, f"{reason} at this size, as measurements of one card say")
    cores = int(machine.get("cores") or 1)
    return Speed(
        cores * CORE_FLOPS, f"{cores} cores with {CORE_FLOPS / 1e9:.0f} GFLOPS each, as measured on two x86 cores"
    )


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


def estimate_training(
    method: str, plugin: object, shape: Shape, train: Any, rows: int, tokens: float, speed: Speed
) -> tuple[float | None, str]:
    """Hours of a training, and how they were calculated: the one estimate of time that every page shows.

    Args:
        method: name of the training method.
        plugin: what ``read_method`` read of it, or the plug-in itself.
        shape: of the base model.
        train: section train with the preset filled in: adapter, epochs, gradient_checkpointing, and, where steps are
            counted, max_steps, batch_size and gradient_accumulation.
        rows: training rows.
        tokens: of a row in the mean.
        speed: of ``get_speed``.

    Returns:
        ``None`` instead of hours where the model samples what it learns from.
    """
    if "prompt" in getattr(plugin, "KINDS", ()):
        return None, f"{method} samples its answers: how long they become decides, and the first steps show it"
    sequences = int(getattr(plugin, "SEQUENCES", 1))
    each = get_operations(shape, train.adapter, bool(train.gradient_checkpointing), is_compared(plugin))
    if steps := getattr(train, "max_steps", None):
        seen: float = steps * train.batch_size * train.gradient_accumulation
        counted = f"{steps:,} steps of {train.batch_size * train.gradient_accumulation} rows"
    else:
        epochs = count_epochs(train.epochs, rows)
        seen = rows * epochs
        counted = f"{rows:,} rows x {epochs:g} epochs"
    words = (
        f"{counted} x {tokens * sequences:,.0f} tokens x {each / 1e9:.2f} GFLOP / "
        f"{speed.flops / 1e12:.3g} TFLOP/s ({speed.reason})"
    )
    return get_hours(seen * tokens * sequences, each, speed), words
