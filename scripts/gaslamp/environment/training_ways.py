"""Ways to train a model in the memory of a machine: what fits, the fastest and most exact first.

Standard library and PyYAML only.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

from gaslamp.config.preset_layers import fill_preset
from gaslamp.core import registry
from gaslamp.environment.apple_memory import get_mlx_need, get_working_set
from gaslamp.environment.gpu_memory import get_gpu_need
from gaslamp.environment.machines import Machine
from gaslamp.environment.memory_estimate import get_memory_need, judge_fit
from gaslamp.models.shape import Shape

ROWS, TOKENS = 1000, 512
"""Where nothing is known of the data: the figures are then for every 1,000 rows."""


class Demand(NamedTuple):
    """What should be trained."""

    method: str
    languages: tuple[str, ...] = ("en",)
    rows: int = ROWS  # that are trained on
    tokens: int = TOKENS  # of the longest row, which decides the memory
    mean: int = 0  # tokens of a row in the mean, which decides the time; 0: as ``tokens``
    needs: frozenset[str] = frozenset()  # of vision, tools, thinking, embedding, tts
    is_trial: bool = False  # an embedded set, which is there to try things out

    @property
    def mean_tokens(self) -> int:
        """Tokens of a row in the mean."""
        return self.mean or self.tokens


class Way(NamedTuple):
    """Settings to train a model with, and the memory that they need."""

    train: SimpleNamespace
    parts: dict[str, float]

    @property
    def need_gb(self) -> float:
        """Sum of the parts."""
        return round(sum(self.parts.values()), 1)


def get_room(machine: Machine, profile: str) -> float:
    """GB that a training may take: of the GPU, of unified memory, or of the main memory."""
    gpus = machine.get("gpus") or []
    if profile == "cuda":
        return float(gpus[0].get("vram_free_gb") or gpus[0].get("vram_gb") or 0) if gpus else 0.0
    if profile == "mac" and machine.get("is_apple_silicon"):
        return get_working_set(float(machine["memory_gb"]))[0]
    return float(machine.get("memory_available_gb") or machine.get("memory_gb") or 0)


def get_train_settings(plugin: SimpleNamespace, parameters: int, tokens: int, **changes: object) -> SimpleNamespace:
    """The part of section ``train`` that memory and time depend on: the method's preset, and what is changed.

    Args:
        plugin: what ``read_method`` read of the method.
        parameters: of the base model.
        tokens: of a row: max_length.
        changes: instead of the preset's values.
    """
    preset = fill_preset(plugin, "lora", parameters)
    lora = SimpleNamespace(r=16, alpha=32, modules_to_save=[])
    values = {
        "batch_size": preset["batch_size"],
        "gradient_accumulation": preset["gradient_accumulation"],
        "epochs": preset.get("epochs"),
        "max_length": tokens,
        "packing": preset["packing"],
        "gradient_checkpointing": preset["gradient_checkpointing"],
        "quantization": "none",
        "engine": "unsloth",
        "adapter": "lora",
        "dtype": "float32",
        "lora": lora,
    }
    return SimpleNamespace(**{**values, **changes})


def choose_way(
    profile: str,
    wanted: Demand,
    plugin: SimpleNamespace,
    shape: Shape,
    room: float,
    fixed: Mapping[str, Any] = MappingProxyType({}),
) -> Way:
    """The first way that fits, in order of speed and exactness; else the first that is tight; else the leanest.

    Args:
        profile: cpu, cuda, mac, mps.
        wanted: what should be trained.
        plugin: what ``read_method`` read of the method.
        shape: of the base model.
        room: GB that it may take.
        fixed: settings that a person chose: no way changes them.
    """
    ways = [_weigh(profile, wanted, plugin, shape, {**way, **fixed}) for way in _list_ways(profile, plugin)]
    for fits in ("fits", "tight"):
        for way in ways:
            if judge_fit(way.need_gb, room) == fits:
                return way
    return ways[-1]


def _list_ways(profile: str, plugin: SimpleNamespace) -> list[dict[str, Any]]:
    """Changes of the preset, the fastest and most exact first."""
    dtype = {"cuda": "bfloat16", "mac": "bfloat16", "mps": "bfloat16"}.get(profile, "float32")
    one = {} if getattr(plugin, "BATCH_IS_LOSS", False) else {"batch_size": 1}
    ways: list[dict[str, Any]] = [{}, {"gradient_checkpointing": True}, {"gradient_checkpointing": True, **one}]
    is_quantized = registry.get("backends", profile).__dict__.get("QUANTIZES", False)
    if is_quantized and getattr(plugin, "ARTEFACT", "causal_lm") == "causal_lm":
        ways += [{**way, "quantization": "4bit"} for way in ways[1:]]
    elif profile == "cpu":
        ways.append({**ways[-1], "dtype": "bfloat16"})
    return [{"dtype": dtype, **way} for way in ways]


def _weigh(profile: str, wanted: Demand, plugin: SimpleNamespace, shape: Shape, changes: Mapping[str, Any]) -> Way:
    train = get_train_settings(plugin, shape.parameters, wanted.tokens, **changes)
    if train.batch_size == 1 and "gradient_accumulation" not in changes:
        plain = get_train_settings(plugin, shape.parameters, wanted.tokens)
        train.gradient_accumulation = plain.batch_size * plain.gradient_accumulation
    sequences = getattr(plugin, "SEQUENCES", 1)
    if profile == "cuda":
        passed = train.batch_size * train.max_length * sequences
        return Way(train, get_gpu_need(shape, train, passed, plugin))
    if profile == "mac":
        return Way(train, get_mlx_need(shape, train, sequences))
    return Way(train, get_memory_need(shape, train, False, plugin))


def explain_memory(way: Way, room: float) -> str:
    """The sum of the memory with its settings, for people; ``room`` in GB."""
    train = way.train
    words = f"batch {train.batch_size}, rows of {train.max_length:,} tokens, rank {train.lora.r}"
    words += ", gradient checkpointing" if train.gradient_checkpointing else ""
    words += f", {train.quantization.replace('bit', ' bit')}" if train.quantization != "none" else f", {train.dtype}"
    listed = " + ".join(f"{part} {size:.2f}" for part, size in way.parts.items() if size >= 0.005)
    return f"{listed} = {way.need_gb:.1f} of {room:.1f} GB ({words})"
