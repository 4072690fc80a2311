"""A trial of the export before any training: a shrunken copy of the base model goes through llama.cpp.

An architecture that the converter does not know, a tokenizer or a chat template that llama.cpp reads differently: all
of it would otherwise show after the training, when nothing can be done. The copy has the base model's architecture,
its very tokenizer and random weights. What is tried is what the parity gate checks later.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from gaslamp.core.contracts import ParityCheck, get_versions
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir, lock, read_json, sha256_path, sha256_text, write_json
from gaslamp.export.llamacpp.staging import convert_staged
from gaslamp.export.llamacpp.toolchain import Toolchain
from gaslamp.export.modelfile.families import detect_family
from gaslamp.export.parity.merged import answer_greedily
from gaslamp.export.parity.prompts import Conversation, encode_prompts, get_special_tokens, vary
from gaslamp.export.parity.served import check_metadata, check_served
from gaslamp.models.checkpoint import is_vision
from gaslamp.models.shrink import write_shrunken
from gaslamp.models.template import NEUTRAL, Renderer, build_template
from gaslamp.models.tokenizer_files import FILES, save_tokenizer
from gaslamp.models.trained import load_folder

if TYPE_CHECKING:
    from gaslamp.data.rows import Message

LAYOUT = 3
"""Raise it when a trial checks more or converts something else: the cache keeps earlier results apart."""
MERGED_FIX = (
    "set export: {formats: [merged]} in config.yaml: the run then ends with the merged model, compared with the "
    "adapter, for transformers, vLLM and SGLang"
)
WEIGHTS = ("endpoint answers", "stop reason")
"""Checks of computed numbers: the sizes of a copy may take another path in llama.cpp than the model's own, so that a
difference here is a warning. The parity gate decides on the model itself."""
QUESTION: list[Message] = [{"role": "user", "content": "Where is the nearest station, and when does the train leave?"}]


class Trial(BaseModel):
    """What a trial found; kept in the user's cache for all projects with this base model."""

    tried: bool
    summary: str
    family: str | None = None  # prompt format for Ollama
    problems: list[str] = []  # prompts that differ, an end token that is shown
    warnings: list[str] = []
    checks: list[ParityCheck] = []
    seconds: float = 0.0


def try_export(base: Path, source: str, toolchain: Toolchain, log: Path) -> Trial:
    """Convert a shrunken copy of a base model, serve it, and compare what the server reads with the trainer.

    A trial that passed is remembered for this model, these tools and these packages.

    Args:
        base: checkpoint folder.
        source: model.source, for messages.
        toolchain: contents of toolchain.json.
        log: receives what the converter and the server print.

    Raises:
        GaslampError: the model cannot be converted or served.
    """
    file = get_cache_dir() / "trials" / f"{get_key(base, toolchain)}.json"
    with lock(file.with_suffix(".lock"), f"waiting: another process tries {source}"):
        if file.is_file():
            known = Trial.model_validate(read_json(file))  # it may have been tried under another name
            return known.model_copy(update={"summary": _summarize(source, known.checks)})
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="gaslamp-trial-") as place:
            trial = _try(base, source, toolchain, Path(place), log)
        trial.seconds = round(time.monotonic() - started, 1)
        if trial.tried and not trial.problems:
            write_json(file, trial.model_dump())
    return trial


def get_key(base: Path, toolchain: Toolchain) -> str:
    """Hash of everything that a trial depends on: config, tokenizer and template of the model, tools, packages."""
    names = ("config.json", "generation_config.json", "chat_template.jinja", *FILES)
    parts = [f"{name} {sha256_path(base / name)}" for name in names if (base / name).is_file()]
    parts += [toolchain["version"], *toolchain["flags"], str(LAYOUT)]
    parts += [f"{name} {value}" for name, value in get_versions(("transformers", "tokenizers", "gguf")).items()]
    return sha256_text("\n".join(parts))[:24]


def _try(base: Path, source: str, toolchain: Toolchain, place: Path, log: Path) -> Trial:
    try:
        template = build_template(base, NEUTRAL)
    except GaslampError as error:
        return _give_up(f"{error.cause} (the data phase says what to do)")
    model, gguf = place / "model", place / "model-f16.gguf"
    try:
        write_shrunken(base, model)
    except Exception as error:  # whatever transformers raises for this config: the trial is impossible, not the export
        return _give_up(f"no small copy of {source} can be made ({type(error).__name__}: {str(error).strip()[:200]})")
    save_tokenizer(base, model, template)
    renderer = Renderer.load(model, template)
    prompts = encode_prompts(renderer, vary([Conversation("question", QUESTION)], get_special_tokens(template)))
    try:
        references = answer_greedily(load_folder(model), prompts, template)
    except Exception as error:  # as above; what also stops the training is reported there
        return _give_up(f"a small copy of {source} does not answer ({type(error).__name__}: {str(error)[:200]})")
    try:
        convert_staged(toolchain, model, gguf, source, log)
        checks = check_metadata(gguf, template, model)
        checks += check_served(gguf, toolchain, renderer, template, prompts, references, log, forces_end=True)
    except GaslampError as error:
        if is_vision(base):  # a part that the copy lacks may be the reason
            return _give_up(f"a small copy of {source} does not convert: {error.cause}")
        raise GaslampError(
            f"{source} cannot become a GGUF file that llama.cpp serves; a small copy of it was tried before the "
            f"training, and failed: {error.cause}",
            MERGED_FIX,
            f"{error.fix}; or take another base model: see docs/models.md",
        ) from error
    failed = [check for check in checks if not check.passed]
    problems = [f"{check.name}: {check.detail}" for check in failed if check.name not in WEIGHTS]
    warnings = [
        f"a small copy of the model computes differently in llama.cpp: {check.detail}; the parity gate will decide"
        for check in failed
        if check.name in WEIGHTS
    ]
    try:
        family = detect_family(template).family.name
    except GaslampError as error:
        family = None
        warnings.append(f"there will be no Ollama Modelfile: {error.cause}")
    summary = _summarize(source, checks)
    if problems:
        summary = f"llama.cpp serves {source} otherwise than it is trained (tried on a small copy)"
    return Trial(tried=True, summary=summary, family=family, problems=problems, warnings=warnings, checks=checks)


def require_trial(trial: Trial, gate: str) -> None:
    """Refuse a model that is served otherwise than it is trained; ``gate`` warn (export.parity) does not.

    Raises:
        GaslampError: with every difference.
    """
    if trial.problems and gate == "block":
        raise GaslampError(
            f"{trial.summary}: {'; '.join(trial.problems)}",
            MERGED_FIX,
            "take another base model: see docs/models.md; or set export: {parity: warn} to go on, which is recorded",
        )


def _summarize(source: str, checks: list[ParityCheck]) -> str:
    return f"{source} converts and is served with the prompts of the training: {len(checks)} checks on a small copy"


def _give_up(reason: str) -> Trial:
    return Trial(tried=False, summary=f"the export is not tried: {reason}")
