"""The base model as a GGUF file of its own, made by the rules of the shipped file: the base column of the chat page.

It belongs to the user's cache, because every project on the same base model and template needs the same file.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from gaslamp.config.levels import CONVERTED, is_with_imatrix
from gaslamp.core.console import get_size, say
from gaslamp.core.contracts import BaseFile, ModelFacts, Provenance, Template
from gaslamp.core.files import JsonObject, get_cache_dir, lock, read_json, sha256_path, sha256_text, write_json
from gaslamp.core.manifests import is_whole, record
from gaslamp.export.exporters import gguf, merged
from gaslamp.export.first_answers import Agreement, compare_tokens
from gaslamp.export.llamacpp.server import LlamaServer
from gaslamp.export.llamacpp.toolchain import Toolchain
from gaslamp.models.checkpoint import is_vision

FACTS = "base.json"
VERSION = 1
"""Of the way in which the file is made: another one makes it again."""
ROWS, SECONDS = 8, 60.0
"""Test rows, and at most so many seconds for each file, that prove it when it is made."""
SPARE = 2_000_000_000
"""Bytes of the disk that stay free."""


class BaseSources(NamedTuple):
    """The files that the base model's own file is made and proven with."""

    model: Path  # model.json
    template: Path  # data/template.json
    toolchain: Path  # toolchain.json
    train: Path  # training rows, for an importance matrix
    calibration: Path | None  # a text instead of them
    test: Path  # test rows
    predictions: Path  # the base model's answers in the evaluation


def ensure_base_file(sources: BaseSources, level: str, imatrix: str, log: Path) -> BaseFile:
    """The base model's file at ``level``: from the user's cache, else made there and compared with the evaluation.

    Args:
        sources: what it is made of.
        level: f16, q8_0, q4_k_m ...
        imatrix: ``export.imatrix``.
        log: receives llama.cpp's output.

    Returns:
        The facts; ``file`` is ``None``, with the reason, when the disk has no room for it.
    """
    provenance = Provenance.start([sources.model, sources.template])
    facts = ModelFacts.read(sources.model)
    matrix = (sources.calibration or sources.train) if is_with_imatrix(level, imatrix) else None
    key = get_key(facts, Template.read(sources.template), read_json(sources.toolchain), level, matrix)
    folder = get_cache_dir() / "base" / key
    with lock(Path(f"{folder}.lock"), f"the base model's file: another process is making it ({folder})"):
        if is_whole(folder) and (folder / FACTS).is_file() and (folder / f"model-{level}.gguf").is_file():
            say(f"the base model's own file, made earlier: {folder / f'model-{level}.gguf'}")
        else:
            missing = get_missing_bytes(folder.parent, facts)
            if missing:
                reason = f"its own file needs {get_size(missing)} more disk space in {folder.parent}"
                say(f"no file of the base model: {reason}")
                return BaseFile(level=level, size_bytes=0, reason=reason, provenance=provenance)
            _make(sources, level, matrix is not None, folder, log)
    known = read_json(folder / FACTS)
    return BaseFile(
        level=level,
        file=str(folder / f"model-{level}.gguf"),
        mmproj=str(folder / gguf.MMPROJ) if (folder / gguf.MMPROJ).is_file() else None,
        size_bytes=(folder / f"model-{level}.gguf").stat().st_size,
        agreement=known["agreement"],
        provenance=provenance,
    )


def get_key(facts: ModelFacts, template: Template, toolchain: Toolchain, level: str, matrix: Path | None) -> str:
    """The name of the file's folder in the cache: everything that its bytes follow from, as one hash."""
    folder = Path(facts.path)
    small = sorted(file for kind in ("json", "jinja", "model", "txt") for file in folder.glob(f"*.{kind}"))
    parts = [
        str(VERSION),
        facts.sha256,
        *(f"{file.name} {sha256_path(file)}" for file in small),
        template.sha256,
        str(template.stop_ids),
        toolchain["version"],
        level,
        sha256_path(matrix) if matrix else "",
    ]
    return f"{facts.name[-32:]}-{sha256_text(chr(10).join(parts))[:16]}"


def get_missing_bytes(cache: Path, facts: ModelFacts) -> int:
    """Bytes of disk space that are missing for the 16-bit copies and the file that is made of them; 0: enough."""
    cache.mkdir(parents=True, exist_ok=True)
    return max(0, 3 * 2 * facts.parameters + SPARE - shutil.disk_usage(cache).free)


def _make(sources: BaseSources, level: str, with_imatrix: bool, folder: Path, log: Path) -> None:
    """Write the file, its companion and its facts into ``folder``, which is complete or absent."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as name:
        place = Path(name)
        checkpoint, whole, out = place / "checkpoint", place / "f16.gguf", place / f"model-{level}.gguf"
        say(f"making the base model's own file at {level}, once for this machine")
        merged.export(sources.model, None, sources.template, checkpoint)
        kept: list[Path] = [out]
        if is_vision(checkpoint):
            gguf.export_mmproj(checkpoint, sources.toolchain, place / gguf.MMPROJ, log)
            kept.append(place / gguf.MMPROJ)
        gguf.export(checkpoint, sources.toolchain, whole, log, level if level in CONVERTED else "f16")
        shutil.rmtree(checkpoint)
        found = {"f16" if level not in CONVERTED else level: compare_file(whole, sources, log)}
        if level in CONVERTED:
            whole.rename(out)
        else:
            matrix = place / "imatrix.gguf" if with_imatrix else None
            if matrix:
                files = sources.train, sources.template, sources.model, sources.calibration
                gguf.build_imatrix(whole, sources.toolchain, *files, matrix, log)
            gguf.quantize(whole, sources.toolchain, level, out, log, matrix)
            found[level] = compare_file(out, sources, log)
        for what, each in found.items():
            say(f"base model at {what}: {each['same']} of {each['compared']} tokens of its evaluated answers")
        finished = place / "finished"
        finished.mkdir()
        for file in kept:
            file.rename(finished / file.name)
        write_json(finished / FACTS, {"level": level, "agreement": found})
        shutil.rmtree(folder, ignore_errors=True)
        record(finished, folder)
        os.replace(finished, folder)


def compare_file(file: Path, sources: BaseSources, log: Path) -> Agreement:
    """How ``file`` agrees with the base model's answers in the evaluation, token by token."""
    printed = log.with_name(f"{log.stem}.server.log")
    with LlamaServer(read_json(sources.toolchain), file, log=printed) as server:

        def post(path: str, body: JsonObject, seconds: float) -> JsonObject:
            answer: JsonObject = server.post(path, body)
            return answer

        return compare_tokens(post, {}, sources.test, sources.predictions, ROWS, SECONDS)
