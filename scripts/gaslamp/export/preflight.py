"""The export part of the preflight: the formats, llama.cpp, and the disk space of merged model and GGUF files."""

from __future__ import annotations

from gaslamp.config.methods import get_artefact
from gaslamp.config.outcome import is_converted
from gaslamp.config.slices import Slice
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir
from gaslamp.environment.findings import Findings, Problem, Request
from gaslamp.environment.hardware import GB
from gaslamp.environment.memory_estimate import get_adapter_parameters
from gaslamp.environment.model_size import get_gguf_bytes, get_merged_bytes
from gaslamp.export.llamacpp import build, toolchain
from gaslamp.models.shape import Shape

MEASURED_TOKENS = 1016
"""Tokens whose distributions are written down, 2 bytes a vocabulary entry, to compare the levels with f16."""
TOOLCHAIN_BYTES = 1.0 * GB


def check_export(request: Request, found: Findings) -> None:
    """Formats that cannot be made here, llama.cpp that cannot be built, and what the exports take of the disk."""
    settings = request.settings
    for name in settings.export.formats:
        exporter = registry.get("exporters", name)
        if not getattr(exporter, "BUILT", True):
            fix = f"take {name} out of export.formats"
            found.problems.append(Problem(f"the format '{name}' is not built yet: {exporter.REASON}", fix))
        found.problems += [Problem(*problem) for problem in getattr(exporter, "find_problems", list)()]
    needs_build, error = find_toolchain() if is_converted(settings) else (False, None)
    if needs_build:
        found.disk["toolchain"] = TOOLCHAIN_BYTES
    if error:
        found.problems.append(Problem(error.cause, error.fix, error.less_likely or ""))
    if request.shape:
        found.disk |= get_disk_parts(request.shape, settings)
    if settings.eval.gate == "warn":
        found.warnings.append("eval.gate is warn: a model that is not better than base will be exported")


def find_toolchain() -> tuple[bool, GaslampError | None]:
    """Whether llama.cpp has to be built, and why it cannot be."""
    if toolchain.find_on_path()[0] or toolchain.is_built(get_cache_dir()):
        return False, None
    try:
        build.find_build_programs()
    except GaslampError as error:
        return True, error
    return True, None


def get_disk_parts(shape: Shape, settings: Slice) -> dict[str, float]:
    """Bytes of the merged model and of the files made from it, by part.

    Exports such as adapter and hub are hard links to files that are counted already. A vision tower is counted as a
    part of the model, in 16 bit or less. A test compares the sum with a finished project.
    """
    parts: dict[str, float] = {}
    parts["merged"] = get_merged_bytes(shape)
    is_language_model = get_artefact(settings.method) == "causal_lm"
    if is_language_model and is_converted(settings):
        parts["measuring"] = MEASURED_TOKENS * shape.vocabulary * 2  # deleted when the levels are measured
    if is_converted(settings):
        for level in ("f16", *settings.export.levels):
            parts[f"gguf {level}"] = get_gguf_bytes(shape, level)
        if "lora_gguf" in settings.export.formats and settings.train.adapter != "none":
            parts["lora gguf"] = get_adapter_parameters(shape, settings.train.lora) * 2
    if "mlx" in settings.export.formats:
        parts["mlx"] = shape.parameters * (16 + 8.5 + 4.5) / 8
    return parts
