"""Which base model: one that this machine can get and train, and what would be better elsewhere.

The figures are those of `make advise` (environment/advise.py); here is only what a first project should take of them.
"""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gaslamp.core.files import read_json
from gaslamp.environment.advise import Advice, get_advice
from gaslamp.environment.base_model import find_model_folder, get_shape
from gaslamp.environment.hardware import GB
from gaslamp.environment.machines import Machine, get_machine, list_machines
from gaslamp.environment.speed import Measured
from gaslamp.environment.training_ways import Demand
from gaslamp.guide.plan import Situation
from gaslamp.guide.times import show_hours
from gaslamp.models.catalogue import MANY_LANGUAGES, BaseModel

HUB = "https://huggingface.co"
ESTIMATED = (
    *("batch_size", "gradient_accumulation", "epochs", "max_length", "packing"),
    *("gradient_checkpointing", "quantization", "adapter", "dtype"),
)
"""Keys of section train that time and memory depend on."""
LIMITS = ("does not list", "writes ", "slow", "a whole run is slow")
"""How the parts of a reason begin that a person should know of the first choice too."""
WAIT = 4  # seconds for an answer of the hub
COLAB, SSH = "colab", "ssh"
"""Profiles that train on a machine elsewhere."""


@dataclass(frozen=True)
class Choice:
    """The base model that is recommended, and the others.

    Attributes:
        best: None when nothing fits.
        reason: why this one, and what would be better.
        usable: all that this machine can get and train, as a practitioner would pick them.
        advice: on every model that the method can train.
    """

    best: Advice | None
    reason: str
    usable: list[Advice] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)


def choose(
    demand: Demand, profile: str, system: Machine, offline: str = "", measured: Sequence[Measured] = ()
) -> Choice:
    """The base model for a demand: the first row of ``make advise``, and why.

    Args:
        demand: what should be trained.
        profile: that trains it.
        system: this machine.
        offline: why the hub cannot be reached; empty when it can.
        measured: trainings on this machine.
    """
    target, where, there = get_target(system, profile)
    if target is not system:
        offline, measured = "", ()
    advice = get_advice(target, demand, profile=there, measured=measured, offline=offline)
    usable = [one for one in advice if not one.obstacle]
    if not advice or advice[0].fits == "exceeds":
        return Choice(None, "nothing that is known fits memory and disk of this machine", usable, advice)
    return Choice(advice[0], _explain(advice[0], demand, where, offline), usable, advice)


def estimate_with(
    now: Situation, model: BaseModel, demand: Demand, profile: str, settings: Mapping[str, object]
) -> Advice | None:
    """The figures of a base model with settings of config.yaml: of the plan, and those that the memory changes.

    Args:
        now: machine, and what was measured on it.
        model: of the catalogue, or of ``describe_unlisted``.
        demand: what should be trained.
        profile: that trains it.
        settings: keys of config.yaml with their values.

    Returns:
        ``None`` when the method cannot train such a model.
    """
    fixed = {key.removeprefix("train."): value for key, value in settings.items() if key.startswith("train.")}
    fixed = {key: value for key, value in fixed.items() if key in ESTIMATED and value not in (None, "auto")}
    target, _, there = get_target(now.system, profile)
    measured = now.measured if target is now.system else ()
    found = get_advice(target, demand, profile=there, measured=measured, models=[model], fixed=fixed)
    return found[0] if found else None


def describe_unlisted(source: str, demand: Demand) -> BaseModel | None:
    """A base model that the catalogue does not have, by its files or its name; ``None``: they do not name its size.

    What cannot be known of it (languages, abilities) is taken to be what is wanted: a person chose it.

    Args:
        source: folder or hub id.
        demand: what should be trained.
    """
    shape = get_shape(source)
    if shape is None:
        return None
    folder = find_model_folder(source)
    config = read_json(folder / "config.json") if folder else {}
    return BaseModel(
        id=source,
        name=Path(source).name,
        family="",
        architecture=str((config.get("architectures") or [""])[0]),
        template=None,
        shape=shape,
        files_gb=round(shape.parameters * 2 / GB, 2),
        license="",
        gated=False,
        languages=(),
        language_count=MANY_LANGUAGES,
        context=int(config.get("max_position_embeddings") or 0),
        released="1970-01",  # so that every listed one is newer
        abilities=demand.needs | ({"tts"} if demand.method == "tts" else set()),
        text=True,
        gguf=True,
        mixture=False,
    )


def get_target(system: Machine, profile: str, gpu: str = "") -> tuple[Machine, str, str]:
    """The machine that a profile trains on, its name, and the profile there.

    It is this one, or a usual one when the profile is none of here.

    Args:
        system: this machine.
        profile: that trains.
        gpu: of the machine elsewhere, where it is known and in the table.
    """
    if gpu and profile in (COLAB, SSH):
        like = next((name for name in list_machines() if name in gpu.lower()), "l4")  # memory and cores of a usual one
        machine = get_machine(like)
        return {**machine, "gpus": [{**machine["gpus"][0], "name": gpu}], "is_rented": True}, gpu, "cuda"
    if profile == "cuda" and system.get("gpus"):
        return system, "this GPU", profile
    if profile in ("cuda", COLAB):
        return {**get_machine("t4"), "is_rented": profile == COLAB}, "a T4, as Colab has it", "cuda"
    if profile == SSH:
        return {**get_machine("l4"), "is_rented": True}, "an L4, as many rented machines have it", "cuda"
    if profile in ("mac", "mps"):
        is_here = bool(system.get("is_apple_silicon"))
        return (system, "this Mac", profile) if is_here else (get_machine("mac16"), "a Mac with 16 GB", profile)
    return system, "this processor", profile


def _explain(best: Advice, demand: Demand, where: str, offline: str) -> str:
    """Why the first row is the first one."""
    if demand.is_trial and best.model.embedded:
        return "learns the embedded data in minutes, without the model hub"
    limits = ["memory", "time"] + (["download"] if best.download_gb else [])
    first = f"{best.model.size} parameters, the first choice for {where} by {', '.join(limits)}"
    if best.obstacle == offline:
        first = f"{first}; {offline}, and it has to be downloaded once" if offline else first
    elif best.obstacle:
        first = f"the best of those that are known, but: {best.obstacle}"
    if not best.obstacle and offline and best.model.embedded:
        first = f"comes from the package index: {offline}"
    parts = [
        part
        for part in best.reason.split("; ")
        if part.startswith(("does not list", "writes ", "slow", "a whole run is slow"))
    ]
    return "; ".join([first, *parts])


def find_offline() -> str:
    """Why the hub cannot be reached; empty when it answers."""
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() in ("1", "true", "yes", "on"):
        return "the hub is switched off here (HF_HUB_OFFLINE)"
    answered = threading.Event()

    def call() -> None:
        try:
            request = urllib.request.Request(os.environ.get("HF_ENDPOINT", HUB), method="HEAD")
            urllib.request.urlopen(request, timeout=WAIT).close()
        except urllib.error.HTTPError:
            pass  # it answers
        except (OSError, ValueError):
            return
        answered.set()

    caller = threading.Thread(target=call, daemon=True)  # looking a name up may hang longer than any timeout
    caller.start()
    caller.join(WAIT)
    return "" if answered.is_set() else "the model hub does not answer from here"


def show_cost(one: Advice | None) -> str:
    """Hours, memory, download, disk and price of a training in one line; what is not known is left out."""
    if one is None:
        return ""
    parts = []
    if one.hours is not None:
        parts.append(f"about {show_hours(one.hours)} of training")
    parts.append(f"{one.memory_gb:.1f} GB of memory")
    parts.append(f"{one.download_gb:.1f} GB to download" if one.download_gb else "no download")
    parts.append(f"{one.disk_gb:.1f} GB of disk")
    if one.price is not None:
        parts.append(f"{one.price:.2f} dollars" if one.price else "nothing to pay")
    return ", ".join(parts)


def find_by_source(advice: Sequence[Advice], source: str) -> Advice | None:
    """The advice on the model that ``model.source`` names."""
    return next((one for one in advice if source in (one.model.source, one.model.id)), None)
