"""The training part of the preflight: the method on this backend, its settings, memory, checkpoints on disk, trackers."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from gaslamp.config.slices import parse_slice
from gaslamp.core import registry
from gaslamp.core.files import read_json
from gaslamp.environment import apple_memory
from gaslamp.environment.base_model import find_model_folder
from gaslamp.environment.findings import Findings, Memory, Problem, Request, get_fit
from gaslamp.environment.gpu_memory import describe_parts
from gaslamp.environment.hardware import GpuFacts
from gaslamp.environment.memory_estimate import Shape, get_adapter_parameters, get_memory_need
from gaslamp.environment.system import System
from gaslamp.train.autotune import Gpu, Lengths, choose, get_open
from gaslamp.train.method import get_method, is_multimodal
from gaslamp.train.rules import Run, find_broken_rules

CHECKPOINTS = 2  # kept at a time


def check_training(request: Request, found: Findings) -> None:
    """Everything that would stop a training, or make it slow or pointless, as far as it is known before the first step."""
    settings, shape = request.settings, request.shape
    backend = registry.get("backends", settings.backend)
    if settings.method not in backend.METHODS:
        fix = f"set method to one of: {', '.join(backend.METHODS)}"
        why = getattr(backend, "REFUSED", {}).get(settings.method)
        found.problems.append(
            Problem(
                f"the backend '{settings.backend}' does not train with the method '{settings.method}'"
                f"{f': {why}' if why else ''}",
                f"{backend.MPS}, or {fix}" if why else fix,
            )
        )
    own = list(getattr(backend, "find_setting_problems", lambda settings: [])(settings))
    folder = find_model_folder(settings.model.source, settings.model.revision)
    own += getattr(backend, "find_model_problems", lambda *_: [])(settings, folder)
    if settings.backend != "mac":
        own += find_tracker_problems(settings.train.report_to, settings.train_python)
    found.problems += [Problem(*problem) for problem in own]
    if shape:
        check_memory(request, shape, found)
        found.disk |= get_disk_parts(shape, settings)
    else:
        found.memory.free_gb = request.system["memory_available_gb"]
    for rule in find_broken_rules(
        Run(settings, parameters=shape.parameters if shape else None, steps=settings.train.max_steps)
    ):
        if rule.blocking:
            found.problems.append(Problem(rule.text, rule.fix))
        else:
            found.warnings.append(f"{rule.text}; {rule.fix}")


def get_disk_parts(shape: Shape, settings: Any) -> dict[str, float]:
    """Bytes of what a training writes, by part; checkpoints are deleted when the run is over."""
    if settings.train.adapter == "none":
        trained = shape.parameters
    else:
        trained = get_adapter_parameters(shape, settings.train.lora.r)
    return {"checkpoints": trained * 12 * CHECKPOINTS, "adapters": trained * 4}


def check_memory(request: Request, shape: Shape, found: Findings) -> None:
    """How the training fits the memory: main memory for cpu and mps, that of the first GPU for cuda, unified memory for mac."""
    settings, system = request.settings, request.system
    method = get_method(settings.method)
    parts = get_memory_need(shape, settings.train, "toolchain" in found.disk, method)
    need, free = round(sum(parts.values()), 1), system["memory_available_gb"]
    found.memory = Memory("unknown", need, free)
    if settings.backend in ("cpu", "mps"):  # PyTorch in the main memory, which a Mac's GPU shares
        found.memory.fit = get_fit(need, free)
        problem = _find_impossible(parts, system)
        found.problems += [problem] if problem else []
        if found.memory.fit != "fits" and not problem:
            listed = ", ".join(f"{part} {size:.1f}" for part, size in parts.items())
            found.warnings.append(
                f"memory: up to {need} GB needed ({listed}), {free} GB free: if it runs out, set "
                "train.gradient_checkpointing, then batch_size 1 with gradient_accumulation, then a shorter max_length"
            )
    elif settings.backend == "cuda":
        found.memory.kind = "GPU memory"
        if system["gpus"]:
            fit, parts, found.choice, problem = find_gpu_fit(shape, settings, system["gpus"][0])
            found.memory.need_gb = round(sum(parts.values()), 1)
            found.memory.free_gb = system["gpus"][0]["vram_free_gb"] or 0.0
            if problem and fit == "impossible":
                found.problems.append(problem)
            elif problem:
                found.warnings.append(f"{problem.cause}: {problem.fix}")
            found.memory.fit = "exceeds" if fit == "impossible" else fit  # type: ignore[assignment]
    elif settings.backend == "mac":
        fit, parts, text = apple_memory.find_fit(
            shape, settings.train, system["memory_gb"], request.env.get("device"), getattr(method, "SEQUENCES", 1)
        )
        found.memory.fit, found.memory.need_gb = fit, round(sum(parts.values()), 1)  # type: ignore[assignment]
        least = parts["weights"] + parts["adapter"] + parts["runtime"]
        if system["is_apple_silicon"] and least > system["memory_gb"]:
            fix = "choose a smaller model (model.source), or snakemake --profile colab"
            found.problems.append(Problem(f"memory: {text}", fix))
        else:
            found.warnings.append(f"memory on a Mac: {text}")


def _find_impossible(parts: dict[str, float], system: System) -> Problem | None:
    """What no setting can make fit: the weights and the programs alone."""
    least = sum(parts.get(name, 0) for name in ("weights", "adapter", "all weights", "reference", "runtime"))
    if least <= system["memory_gb"]:
        return None
    return Problem(
        f"the model needs at least {least:.1f} GB of memory to train, this machine has {system['memory_gb']:.1f} GB",
        "choose a smaller model (model.source), or train.dtype: bfloat16, which halves the weights",
        "train on another machine, or with another profile",
    )


def find_gpu_fit(
    shape: Shape, settings: Any, found: GpuFacts
) -> tuple[str, dict[str, float], dict[str, str], Problem | None]:
    """How a training fits a GPU of system.json: ``fits`` (or tight, exceeds, impossible), GB by part, what is chosen of the open
    settings with its reason, and a problem with its fix. The same calculation is made again when the training begins.
    """
    method, name = get_method(settings.method), settings.method
    open_ = get_open(settings.train, method, is_multimodal(name))
    train = parse_slice(
        json.dumps({"backend": "cuda", "method": name, "train": {**settings.dump()["train"], "choose": open_}})
    ).train
    total, free = found["vram_gb"], found["vram_free_gb"]
    if free is None or total is None:  # a board whose GPU shares the main memory reports neither
        return "unknown", {}, {}, None
    card = Path("data/card.json")
    lengths = Lengths.from_card(read_json(card), train.max_length) if card.is_file() else Lengths(1, [train.max_length])
    choice = choose(train, shape, method, name, Gpu(found["name"], total, free), lengths)
    fixed = sum(choice.parts.get(part, 0.0) for part in ("weights", "adapter", "all weights", "reference", "context"))
    fit = (
        "impossible"
        if fixed > total
        else "fits"
        if choice.need_gb <= choice.limit_gb
        else "tight"
        if choice.need_gb <= free
        else "exceeds"
    )
    problem = None
    if fit != "fits":
        ways = [] if train.quantization != "none" or "quantization" in open_ else ["train.quantization: 4bit"]
        ways += (
            []
            if train.gradient_checkpointing or "gradient_checkpointing" in open_
            else ["train.gradient_checkpointing: true"]
        )
        ways += ["train.max_length: a smaller one", "model.source: a smaller model"]
        problem = Problem(
            f"GPU memory: {choice.need_gb:.1f} GB needed ({describe_parts(choice.parts)}), "
            f"{free:.1f} of {total:.1f} GB free on {found['name']}; calculated",
            f"set {', or '.join(ways)}",
        )
    # packing depends on what is installed in the interpreter that trains
    return fit, choice.parts, {name: text for name, text in choice.reasons.items() if name != "packing"}, problem


def find_tracker_problems(trackers: list[str], train_python: str | None) -> list[tuple[str, str]]:
    """Trackers of train.report_to that the training's interpreter does not have."""
    python = train_python or sys.executable
    if train_python:
        code = "import importlib.util as u, sys; print(*[n for n in sys.argv[1:] if not u.find_spec(n)])"
        done = subprocess.run([python, "-c", code, *trackers], capture_output=True, text=True, check=False, timeout=60)
        missing = done.stdout.split()
    else:
        missing = [name for name in trackers if importlib.util.find_spec(name) is None]
    return [
        (
            f"train.report_to names {name}, which is not installed",
            f'"{python}" -m pip install {name}, or take it out of train.report_to',
        )
        for name in missing
    ]
