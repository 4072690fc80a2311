"""Which base models a machine can fine-tune, with memory, time and cost, in the order a practitioner would pick them.

Standard library and PyYAML only: the interview asks before anything is installed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal

from gaslamp.config.preset_layers import count_epochs, read_method
from gaslamp.core import registry
from gaslamp.environment.hardware import GB
from gaslamp.environment.machines import Machine, find_processor
from gaslamp.environment.memory_estimate import get_adapter_parameters, judge_fit
from gaslamp.environment.model_size import get_gguf_bytes, get_merged_bytes
from gaslamp.environment.profile import choose_profile
from gaslamp.environment.speed import Measured, Speed, get_hours, get_operations, get_speed
from gaslamp.environment.training_ways import Demand, Way, choose_way, explain_memory, get_room
from gaslamp.models.cache import find_cached_model
from gaslamp.models.catalogue import BaseModel, load_catalogue
from gaslamp.models.shape import Shape

Fits = Literal["fits", "tight", "exceeds"]
FITS: tuple[Fits, ...] = ("fits", "tight", "exceeds")
LEVELS = ("f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m")
"""GGUF files that a run makes where the config names no others."""
ADAPTER_BYTES = 28  # of a trained weight: the adapter, and two checkpoints with its moments
ROOMY = "fits with room to spare"
PATIENCE = 3.0
"""Hours of training above which a smaller model is the better first try."""
TIERS = {1: (5.0, 3.5), 2: (12.0, 8.0), 3: (math.inf, 27.0)}
"""Tier -> billions of parameters below which a model belongs to it, and how many are usual there.

1: a laptop or a free Colab T4; 2: an L4, 24 GB, a Mac with 32 GB; 3: an A100 and more.
"""
PREFERRED = (2, 1, 3)
"""Tiers in the order that a practitioner tries them, as far as they fit: 7 to 9 billion parameters first."""


@dataclass(frozen=True)
class Advice:
    """What one base model would take on a machine, for a method and a number of rows."""

    model: BaseModel
    profile: str
    tier: int  # of TIERS
    fits: Fits
    memory_gb: float  # at the fullest moment of the training
    room_gb: float  # that the training may take
    parts: dict[str, float]  # memory_gb by part
    hours: float | None  # of the training, all epochs; None: it depends on what is sampled
    download_gb: float  # 0: it is on this machine, or embedded
    disk_gb: float  # model, merged model, GGUF files, checkpoints
    price: float | None  # US dollars for the training; 0: not rented; None: unknown
    reason: str
    settings: dict[str, Any]  # for config.yaml, by section
    formula: dict[str, str] = field(default_factory=dict)  # memory and hours, in words and numbers


def get_advice(
    machine: Machine,
    *,
    method: str,
    languages: Iterable[str] = ("en",),
    rows: int = 1000,
    tokens: int = 512,
    needs: Collection[str] = (),
    profile: str | None = None,
    measured: Sequence[Measured] = (),
    models: Sequence[BaseModel] | None = None,
) -> list[Advice]:
    """Every model of the catalogue that the method can train and that has what is needed, the best choice first.

    Args:
        machine: facts of the machine (system.json, or ``machines.get_machine``).
        method: name of the training method.
        languages: codes of the languages of the data; a model that does not list one comes later and says so.
        rows: training rows.
        tokens: of a row. The memory is calculated as if every row were as long.
        needs: of vision, tools, thinking, embedding, tts.
        profile: cpu, cuda, mac, mps; ``None``: what fits the machine.
        measured: earlier trainings on this machine, which replace the table of speeds.
        models: instead of the catalogue.

    Raises:
        GaslampError: there is no such method.
    """
    wanted = Demand(method, tuple(languages), rows, tokens, frozenset(needs))
    plugin = read_method(method)
    name = profile or choose_profile(machine, method).name
    listed = load_catalogue() if models is None else models
    found = [
        _advise(machine, name, wanted, plugin, model, measured)
        for model in listed
        if _can_train(model, plugin, method, wanted.needs)
    ]
    return sorted(found, key=lambda advice: _get_rank(advice, wanted))


def _can_train(model: BaseModel, plugin: SimpleNamespace, method: str, needs: frozenset[str]) -> bool:
    if not needs <= model.abilities:
        return False
    if getattr(plugin, "MULTIMODAL", False):
        return "vision" in model.abilities and model.reads_images_in_gguf
    if method == "tts" or "tts" in model.abilities:
        return method == "tts" and "tts" in model.abilities
    if getattr(plugin, "ARTEFACT", "") == "encoder":
        return model.text or "embedding" in model.abilities
    return model.text


def _advise(
    machine: Machine,
    profile: str,
    wanted: Demand,
    plugin: SimpleNamespace,
    model: BaseModel,
    measured: Sequence[Measured],
) -> Advice:
    room = get_room(machine, profile)
    way = choose_way(profile, wanted, plugin, model, room)
    fits = judge_fit(way.need_gb, room)
    speed = get_speed(machine, profile, model.shape, measured)
    hours, time_formula = _get_time(wanted, plugin, model.shape, way.train, speed)
    processor = find_processor(machine)
    price: float | None = 0.0
    if machine.get("is_rented"):
        price = None if hours is None or processor is None or processor.price is None else hours * processor.price
    is_here = model.embedded is not None or find_cached_model(model.id, None) is not None
    disk = [
        model.files_gb * GB,
        get_merged_bytes(model.shape),
        get_adapter_parameters(model.shape, way.train.lora) * 28,
    ]
    disk += [get_gguf_bytes(model.shape, level) for level in LEVELS if model.gguf]
    return Advice(
        model=model,
        profile=profile,
        tier=get_tier(model),
        fits=fits,
        memory_gb=way.need_gb,
        room_gb=round(room, 1),
        parts=way.parts,
        hours=None if hours is None else round(hours, 3),
        download_gb=0.0 if is_here else model.files_gb,
        disk_gb=round(sum(disk) / GB, 1),
        price=None if price is None else round(price, 2),
        reason=_get_reason(model, wanted, fits, way, hours),
        settings=_get_settings(profile, model, way.train),
        formula={"memory": explain_memory(way, room), "hours": time_formula},
    )


def get_tier(model: BaseModel) -> int:
    """1 to 3: the class of hardware that a model of this size belongs to (TIERS)."""
    return next(tier for tier, (bound, _) in TIERS.items() if model.worth / 1e9 < bound)


def _get_time(
    wanted: Demand, plugin: SimpleNamespace, shape: Shape, train: SimpleNamespace, speed: Speed
) -> tuple[float | None, str]:
    if "prompt" in getattr(plugin, "KINDS", ()):
        return None, f"{wanted.method} samples its answers: how long they become decides, and the first steps show it"
    epochs = count_epochs(train.epochs, wanted.rows)
    sequences = getattr(plugin, "SEQUENCES", 1)
    tokens = wanted.rows * epochs * wanted.tokens * sequences
    each = get_operations(
        shape, train.adapter, train.gradient_checkpointing, sequences > 1 and getattr(plugin, "REFERENCE", True)
    )
    words = (
        f"{wanted.rows:,} rows x {epochs:g} epochs x {wanted.tokens * sequences:,} tokens x {each / 1e9:.2f} GFLOP / "
        f"{speed.flops / 1e12:.3g} TFLOP/s ({speed.reason})"
    )
    return get_hours(tokens, each, speed), words


def _get_settings(profile: str, model: BaseModel, train: SimpleNamespace) -> dict[str, Any]:
    """What config.yaml has to say; what the backend chooses by itself is left open."""
    result: dict[str, Any] = {"model": {"source": model.source}}
    changed: dict[str, Any] = {}
    if not registry.get("backends", profile).__dict__.get("AUTOTUNED", False):
        if train.gradient_checkpointing:
            changed["gradient_checkpointing"] = True
        if train.batch_size == 1:
            changed |= {"batch_size": 1, "gradient_accumulation": train.gradient_accumulation}
        if train.quantization != "none":
            changed["quantization"] = train.quantization
        if profile == "cpu" and train.dtype != "float32":
            changed["dtype"] = train.dtype
    return {**result, "train": changed} if changed else result


def _get_reason(model: BaseModel, wanted: Demand, fits: Fits, way: Way, hours: float | None) -> str:
    """Why it stands where it stands, in a phrase."""
    parts = []
    if fits == "exceeds":
        parts.append("too large for this machine in any way")
    elif way.train.quantization != "none":
        parts.append("its weights in 4 bit")
    elif way.train.gradient_checkpointing:
        parts.append("with gradient checkpointing")
    if hours is not None and hours > PATIENCE and fits != "exceeds":
        parts.append("slow here")
    if unknown := [code for code in wanted.languages if not model.knows(code)]:
        parts.append(f"does not list {', '.join(unknown)}")
    if model.mixture:
        parts.append("a mixture of experts, which was not trained with gaslamp yet")
    if model.gated:
        parts.append("the hub wants a token and an accepted licence")
    if model.note:
        parts.append(model.note)
    return "; ".join(parts) or ROOMY


def _get_rank(advice: Advice, wanted: Demand) -> tuple[float, ...]:
    """What comes first.

    It fits, it is done in time, it knows the languages, it is no mixture; then the usual tier, about the size that is
    usual there, a chat template that was tried, no gate, newer, larger.
    """
    model = advice.model
    is_slow = advice.hours is not None and advice.hours > PATIENCE
    first = (
        FITS.index(advice.fits),
        is_slow,
        sum(not model.knows(code) for code in wanted.languages),
        model.mixture,
        wanted.method == "embedding" and "embedding" not in model.abilities,
    )
    if advice.fits == "exceeds" or is_slow:
        return (*first, model.parameters)
    _, usual = TIERS[advice.tier]
    return (
        *first,
        PREFERRED.index(advice.tier),
        -min(0, round(math.log2(model.worth / 1e9 / usual))),
        model.template is None and model.embedded is None,
        model.gated,
        -_get_month(model.released),
        -model.parameters,
    )


def _get_month(released: str) -> int:
    """``2026-03-02`` as a number that grows month by month."""
    year, month = released.split("-")[:2]
    return int(year) * 12 + int(month)
