"""A base model with a trained result merged into it: the model that a run starts from.

It belongs to the user's cache, because every run with the same start needs the same weights.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.console import get_size, say
from gaslamp.core.contracts import ModelFacts, Provenance, Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir, lock, read_json, sha256_path, sha256_text, write_json
from gaslamp.models.checkpoint import get_weights_hash
from gaslamp.models.dates import GIVEN
from gaslamp.models.loading import load_tokenizer
from gaslamp.models.model_facts import read_model_folder
from gaslamp.models.start import Trained, describe_start, read_trained
from gaslamp.models.thinking import SWITCH
from gaslamp.models.tokenizer_files import save_tokenizer_as
from gaslamp.models.trained import load_evaluated

if TYPE_CHECKING:
    from transformers import PreTrainedModel

VERSION = 1
"""Of the way in which a start is made: another one makes it again."""
FACTS = "start.json"
FLOAT16_MAX = 65504.0
SPARE = 1_000_000_000
"""Bytes of the disk that stay free."""
PINS = re.compile(rf"^(?:\{{% set (?:{SWITCH}|{GIVEN}) = [^%]*%\}})+")
"""What the data phase put in front of a recorded chat template; it decides again for each run."""


def merge_start(model: Path, place: Path, out: Path) -> None:
    """Write the facts of the base model with a trained result merged into it.

    Args:
        model: model.json of what ``model.source`` names, or of the stage before.
        place: outputs/<run> of a project, or the folder of a PEFT adapter.
        out: model.json to write.

    Raises:
        GaslampError: the result was trained on another model, changed since its training, or cannot be merged.
    """
    facts = ensure_start(ModelFacts.read(model), place)
    facts.provenance = Provenance.start([model])
    facts.write(out)
    start = facts.starts[-1]
    score = f", {start.metric} {start.score.value:.3g}" if start.metric and start.score else ""
    say(f"{facts.source}: trained from here{score}")


def ensure_start(base: ModelFacts, place: Path) -> ModelFacts:
    """The facts of ``base`` with the result in ``place``: from the user's cache, else merged there.

    Raises: as merge_start.
    """
    trained = read_trained(place)
    digest = get_weights_hash(trained.adapters)
    if trained.train:
        _require_unchanged(trained, digest)
    base = _find_base(base, trained)
    template = _get_chat_template(base, trained)
    folder = get_cache_dir() / "starts" / f"{base.name[-32:]}-{_get_key(base, trained, digest, template)}"
    with lock(Path(f"{folder}.lock"), f"waiting: another process merges {trained.label} ({folder})"):
        made = _read_made(folder)
        if made is None:
            _make(base, trained, template, folder)
            made = read_model_folder(folder)
        else:
            say(f"{trained.label} was merged earlier: {folder}")
    made.name = f"{base.name}+{trained.label.replace('/', '_')}"
    made.source = f"{base.source} + {trained.label}"
    for name in ("revision", "license", "license_name", "license_link", "languages", "base_models"):
        setattr(made, name, getattr(base, name))
    made.starts = [*base.starts, describe_start(trained, base, digest)]
    return made


def _require_unchanged(trained: Trained, digest: str) -> None:
    """Refuse a run whose files are not those of its training."""
    train, project = trained.train, trained.project
    if train is None or trained.template is None:
        return
    if digest != train.adapter_sha256:
        raise GaslampError(
            f"the weights in {trained.adapters} are not those that the training of {trained.label} recorded",
            f"delete {trained.adapters} and run the same snakemake command in {project}: it is trained again",
            "you changed them on purpose: copy that folder out of outputs/ and set model.adapter to the copy",
        )
    recorded = {Path(name).name: value for name, value in (train.provenance.inputs if train.provenance else {}).items()}
    if recorded.get("template.json") != sha256_path(trained.template):
        raise GaslampError(
            f"the chat template of {trained.label} changed after its training ({trained.template})",
            f"run the same snakemake command in {project}: it is trained again",
        )


def _find_base(base: ModelFacts, trained: Trained) -> ModelFacts:
    """What ``trained`` was trained on: ``base``, or for a run that had a start itself, that start.

    Raises:
        GaslampError: ``base`` is another model.
    """
    if trained.model is None:
        return base
    own = ModelFacts.read(trained.model)
    recorded = own.starts[0].base_sha256 if own.starts else own.sha256
    first = base.starts[0].base_sha256 if base.starts else base.sha256
    if recorded != first:
        pinned = f", and model.revision to {own.revision}" if own.revision else ""
        raise GaslampError(
            f"{trained.label} was trained on {own.root} with other weights than {base.root}",
            f"set model.source to {own.root}{pinned}",
            f"the files of {base.root} changed after that training",
        )
    if own.sha256 == base.sha256:
        return base
    made = _read_made(Path(own.path))
    if made and made.sha256 == own.sha256:
        return own
    again = ensure_start(base, Path(own.starts[-1].folder))
    if again.sha256 != own.sha256:
        raise GaslampError(
            f"{trained.label} started from {own.source}, and that result is another one now",
            f"run the same snakemake command in {trained.project}: it is trained again",
        )
    return again


def _get_chat_template(base: ModelFacts, trained: Trained) -> str | None:
    """The chat template that the result was trained with; ``None``: that of the base model.

    Raises:
        GaslampError: an adapter from elsewhere has a tokenizer with other words.
    """
    if trained.template:
        return PINS.sub("", Template.read(trained.template).chat_template)
    if not (trained.adapters / "tokenizer.json").is_file():
        return None
    own, known = load_tokenizer(trained.adapters), load_tokenizer(base.path)
    if own.get_vocab() != known.get_vocab():
        raise GaslampError(
            f"{trained.label} has a tokenizer of its own with {len(own):,} tokens, {base.source} has {len(known):,}",
            "merge it with the tool that made it, and set model.source to the merged folder",
        )
    template = own.chat_template
    if not isinstance(template, str) or template == known.chat_template:
        return None
    say(f"the chat template is that of {trained.label}, which differs from that of {base.source}")
    return template


def _get_key(base: ModelFacts, trained: Trained, digest: str, template: str | None) -> str:
    """Everything that the merged files follow from, as one hash."""
    config = trained.adapters / "adapter_config.json"
    small = sorted(file for kind in ("json", "jinja", "model", "txt") for file in Path(base.path).glob(f"*.{kind}"))
    parts = [
        str(VERSION),
        base.sha256,
        *(f"{file.name} {sha256_path(file)}" for file in small if file.name != FACTS),
        digest,
        sha256_path(config) if config.is_file() else "",
        template or "",
    ]
    return sha256_text("\n".join(parts))[:16]


def _read_made(folder: Path) -> ModelFacts | None:
    """The facts of a start in the cache; ``None`` when it is not there, or its files changed."""
    if not (folder / FACTS).is_file():
        return None
    facts = read_model_folder(folder)
    if facts.sha256 == read_json(folder / FACTS)["sha256"]:
        return facts
    say(f"{folder} is damaged: it is made again")
    return None


def _make(base: ModelFacts, trained: Trained, template: str | None, folder: Path) -> None:
    """Merge in float32 and write the checkpoint to ``folder``, which is complete or absent."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    missing = 2 * base.parameters + SPARE - shutil.disk_usage(folder.parent).free
    if missing > 0:
        raise GaslampError(
            f"merging {trained.label} needs {get_size(missing)} more disk space in {folder.parent}",
            "free disk space, or put the cache elsewhere (GASLAMP_CACHE=/path)",
        )
    say(f"merging {trained.label} into {base.source}, once for this machine")
    net = load_evaluated(base, trained.adapters)
    dtype, reason = choose_dtype(net, base.dtype)
    import torch

    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".merging-") as name:
        place = Path(name) / "model"
        net.to(getattr(torch, dtype)).save_pretrained(place)
        copy_settings(base.path, place)
        save_tokenizer_as(base.path, place, {"chat_template": template} if template else {})
        sha256 = read_model_folder(place).sha256
        write_json(place / FACTS, {"sha256": sha256, "dtype": dtype, "reason": reason, "base": base.source})
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(place, folder)
    say(f"{get_size(sum(file.stat().st_size for file in folder.iterdir()))} in {dtype} ({reason})")


def copy_settings(base: str, place: Path) -> None:
    """What a checkpoint needs besides weights and tokenizer, as the base model has it."""
    for file in (*Path(base).glob("generation_config.json"), *Path(base).glob("*processor*config.json")):
        shutil.copyfile(file, place / file.name)


def choose_dtype(net: PreTrainedModel, base_dtype: str) -> tuple[str, str]:
    """The 16-bit type to store merged weights in, and why."""
    largest = max(float(parameter.detach().abs().max()) for parameter in net.parameters())
    if base_dtype == "bfloat16":
        return "bfloat16", "as the base model"
    if largest < FLOAT16_MAX:
        return "float16", f"finer than bfloat16, and no weight is over {largest:.3g}"
    return "bfloat16", f"a weight of {largest:.3g} does not fit float16"
