"""The training part of the preflight: the method on this backend, settings, memory, checkpoints on disk, trackers."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace

from gaslamp.config.backends import can_use_trackers, get_backend
from gaslamp.config.methods import get_method, is_multimodal
from gaslamp.config.presets import choose_by_size
from gaslamp.config.slices import Slice
from gaslamp.environment.base_model import find_model_folder
from gaslamp.environment.findings import Findings, Memory, Problem, Request
from gaslamp.environment.memory_estimate import MemoryFit, get_adapter_parameters, get_memory_need
from gaslamp.models.shape import Shape
from gaslamp.train.lora import describe_separation, find_model_problems
from gaslamp.train.method import merge_decisions
from gaslamp.train.problems import PlannedRun, find_run_problems

CHECKPOINTS = 2  # kept at a time


def check_training(request: Request, found: Findings) -> None:
    """Find what would stop a training, or make it slow or pointless, as far as it is known before the first step."""
    settings, shape = request.settings, request.shape
    if shape:
        note = ": guessed from its name, the weights decide" if shape.guessed else ""
        settings, found.choice = choose_by_size(settings, shape.parameters, note)
        request = replace(request, settings=settings)
    backend = get_backend(settings.backend)
    if settings.method not in backend.METHODS:
        fix = f"set method to one of: {', '.join(backend.METHODS)}"
        why = getattr(backend, "REFUSED", {}).get(settings.method)
        alternative = getattr(backend, "ALTERNATIVE", None)
        found.problems.append(
            Problem(
                f"the backend '{settings.backend}' does not train with the method '{settings.method}'"
                f"{f': {why}' if why else ''}",
                f"{alternative}, or {fix}" if why and alternative else fix,
            )
        )
    own = list(getattr(backend, "find_setting_problems", lambda settings: [])(settings))
    folder = find_model_folder(settings.model.source, settings.model.revision)
    own += getattr(backend, "find_model_problems", lambda *_: [])(settings, folder)
    if folder:
        values = settings.dump()["train"]
        own += find_model_problems(values, folder, is_multimodal(settings.method))
        found.warnings += [text] if (text := describe_separation(values, folder)) else []
    if can_use_trackers(settings.backend):
        own += find_tracker_problems(settings.train.report_to, settings.train_python)
    found.problems += [Problem(*problem) for problem in own]
    if shape:
        check_memory(request, shape, found)
        found.disk |= get_disk_parts(shape, settings)
    else:
        found.memory.free_gb = request.system["memory_available_gb"]
    parameters = shape.parameters if shape else None
    for problem in find_run_problems(PlannedRun(settings, parameters=parameters, steps=settings.train.max_steps)):
        if problem.blocking:
            found.problems.append(Problem(problem.cause, problem.fix))
        else:
            found.warnings.append(f"{problem.cause}; {problem.fix}")


def get_disk_parts(shape: Shape, settings: Slice) -> dict[str, float]:
    """Bytes of what a training writes, by part; checkpoints are deleted when the run is over."""
    if settings.train.adapter == "none":
        trained = shape.parameters
    else:
        trained = get_adapter_parameters(shape, settings.train.lora)
    return {"checkpoints": trained * 12 * CHECKPOINTS, "adapters": trained * 4}


def check_memory(request: Request, shape: Shape, found: Findings) -> None:
    """How the training fits the memory, as its backend estimates it.

    Without an estimate the main memory is reported.
    """
    settings, system = request.settings, request.system
    builds_toolchain = "toolchain" in found.disk
    if estimate_memory := getattr(get_backend(settings.backend), "estimate_memory", None):
        device = request.env.get("device") or {}
        memory: MemoryFit = estimate_memory(shape, settings, system, device, builds_toolchain)
    else:
        parts = get_memory_need(shape, settings.train, builds_toolchain, get_method(settings.method))
        memory = MemoryFit("unknown", parts, system["memory_available_gb"])
    found.memory = Memory(memory.fit, memory.need_gb, memory.free_gb, memory.kind)
    found.choice = merge_decisions(found.choice, memory.decisions)
    found.problems += [Problem(*problem) for problem in memory.problems]
    found.warnings += memory.warnings


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
