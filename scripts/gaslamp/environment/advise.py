"""Which base models a machine can fine-tune, with memory, time and cost, in the order a practitioner would pick them.

Standard library and PyYAML only: the interview asks before anything is installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType, SimpleNamespace
from typing import Any

from gaslamp.config.preset_layers import read_method
from gaslamp.core import registry
from gaslamp.environment.base_model import is_model_here
from gaslamp.environment.hardware import GB
from gaslamp.environment.machines import Machine, find_processor
from gaslamp.environment.memory_estimate import get_adapter_parameters, judge_fit
from gaslamp.environment.model_size import get_gguf_bytes, get_merged_bytes
from gaslamp.environment.profile import choose_profile
from gaslamp.environment.rank import MIXTURE, TOO_LARGE, Fits, explain_slow, find_obstacle, get_rank, get_tier
from gaslamp.environment.speed import Measured, estimate_training, get_speed
from gaslamp.environment.training_ways import Demand, Way, choose_way, explain_memory, get_room
from gaslamp.models.catalogue import BaseModel, load_catalogue

LEVELS = ("f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m")
"""GGUF files that a run makes where the config names no others."""
ADAPTER_BYTES = 28  # of a trained weight: the adapter, and two checkpoints with its moments
UNPACKED = 1.5  # times its download that an embedded model takes: the package and what is in it
NEEDS_HUB = "needs the hub"
ROOMY = "fits with room to spare"


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
    download_gb: float  # 0: it is on this machine
    disk_gb: float  # model, merged model, GGUF files, checkpoints
    price: float | None  # US dollars for the training; 0: not rented; None: unknown
    reason: str
    settings: dict[str, Any]  # for config.yaml, by section
    obstacle: str = ""  # why a run here would not end with a file that runs; empty: it would
    formula: dict[str, str] = field(default_factory=dict)  # memory and hours, in words and numbers


def get_advice(
    machine: Machine,
    demand: Demand,
    *,
    profile: str | None = None,
    measured: Sequence[Measured] = (),
    offline: str = "",
    models: Sequence[BaseModel] | None = None,
    fixed: Mapping[str, Any] = MappingProxyType({}),
) -> list[Advice]:
    """Every model of the catalogue that the method can train and that has what is needed, the best choice first.

    This is the one ranking: the interview recommends its first row, and every figure of time, memory, disk, download
    and price is from here.

    Args:
        machine: facts of the machine (system.json, or ``machines.get_machine``).
        demand: what should be trained. A model that does not list a language of it comes later and says so; the memory
            is calculated as if every row were as long as the longest.
        profile: cpu, cuda, mac, mps; ``None``: what fits the machine.
        measured: earlier trainings on this machine, which replace the table of speeds.
        offline: why the hub cannot be reached; empty when it can.
        models: instead of the catalogue.
        fixed: settings of section train that are not left to the model's size and the memory.

    Raises:
        GaslampError: there is no such method.
    """
    plugin = read_method(demand.method)
    name = profile or choose_profile(machine, demand.method).name
    listed = load_catalogue() if models is None else models
    found = [
        _advise(machine, name, demand, plugin, model, measured, offline, fixed)
        for model in listed
        if _can_train(model, plugin, demand.method, demand.needs)
    ]
    return sorted(found, key=lambda one: _rank(one, demand, offline))


def _rank(one: Advice, demand: Demand, offline: str) -> tuple[float, ...]:
    return get_rank(
        one.model,
        demand,
        profile=one.profile,
        fits=one.fits,
        hours=one.hours,
        obstacle=one.obstacle,
        lacks_hub=bool(offline) and one.obstacle == offline,
    )


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
    offline: str,
    fixed: Mapping[str, Any],
) -> Advice:
    room = get_room(machine, profile)
    way = choose_way(profile, wanted, plugin, model.shape, room, fixed)
    fits = judge_fit(way.need_gb, room)
    speed = get_speed(machine, profile, model.shape, measured)
    hours, time_formula = estimate_training(
        wanted.method, plugin, model.shape, way.train, wanted.rows, wanted.mean_tokens, speed
    )
    processor = find_processor(machine)
    price: float | None = 0.0
    if machine.get("is_rented"):
        price = None if hours is None or processor is None or processor.price is None else hours * processor.price
    is_here = is_model_here(model.source, None)
    copies = UNPACKED if model.embedded else 1
    disk = [
        0 if is_here else copies * model.files_gb * GB,
        get_merged_bytes(model.shape),
        get_adapter_parameters(model.shape, way.train.lora) * ADAPTER_BYTES,
    ]
    disk += [get_gguf_bytes(model.shape, level) for level in LEVELS if model.gguf]
    disk_gb, download_gb = round(sum(disk) / GB, 1), 0.0 if is_here else model.files_gb
    needs_hub = not (is_here or model.embedded)
    obstacle = find_obstacle(model, fits, needs_hub, disk_gb, machine.get("disk_free_gb"), offline)
    lacks = NEEDS_HUB if offline and obstacle == offline else obstacle
    return Advice(
        model=model,
        profile=profile,
        tier=get_tier(model),
        fits=fits,
        memory_gb=way.need_gb,
        room_gb=round(room, 1),
        parts=way.parts,
        hours=None if hours is None else round(hours, 3),
        download_gb=download_gb,
        disk_gb=disk_gb,
        price=max(0.01, round(price, 2)) if price else price,
        reason=_get_reason(model, wanted, profile, way, hours, lacks),
        settings=_get_settings(profile, model, way.train),
        obstacle=obstacle,
        formula={"memory": explain_memory(way, room), "hours": time_formula},
    )


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


def _get_reason(model: BaseModel, wanted: Demand, profile: str, way: Way, hours: float | None, obstacle: str) -> str:
    """Why it stands where it stands, in a phrase."""
    parts = [obstacle] if obstacle else []
    if obstacle != TOO_LARGE:
        if way.train.quantization != "none":
            parts.append("its weights in 4 bit")
        elif way.train.gradient_checkpointing:
            parts.append("with gradient checkpointing")
        if slow := explain_slow(model, profile, hours):
            parts.append(slow)
    if unknown := [code for code in wanted.languages if not model.knows(code)]:
        parts.append(f"does not list {', '.join(unknown)}")
    if model.mixture and obstacle != MIXTURE:
        parts.append(MIXTURE)
    if model.note:
        parts.append(model.note)
    return "; ".join(parts) or ROOMY
