"""Adapter and base merged: one 16-bit checkpoint that any tool can load."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.console import get_size, say
from gaslamp.core.contracts import ModelFacts, Provenance, Template, TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.models.loading import load_tokenizer
from gaslamp.models.merge import choose_dtype
from gaslamp.models.model_facts import read_model_folder
from gaslamp.models.tokenizer_files import save_tokenizer
from gaslamp.models.trained import get_saved_artefact, load_evaluated

if TYPE_CHECKING:
    pass

TITLE = "a 16-bit checkpoint for other tools"
REQUIRES = ("torch", "transformers", "peft")


def describe_origin(file: Path) -> str:
    """What a model file says of where it comes from: run, training rows and adapter, as ``make verify`` compares them.

    Args:
        file: train.json in the folder of the run.
    """
    train = TrainFacts.read(file)
    inputs = train.provenance.inputs if train.provenance else {}
    rows = next((digest for name, digest in inputs.items() if Path(name).name == "train.jsonl"), "not recorded")
    return f"gaslamp run {file.parent.name}; training rows sha256 {rows}; adapter sha256 {train.adapter_sha256}"


def export(
    model: Path, adapters: Path | None, template: Path, out: Path, facts_of_training: Path | None = None
) -> None:
    """Merge in float32, store in 16 bit, with the tokenizer, the recorded template and the stop tokens.

    Args:
        model: model.json of the base.
        adapters: what training left: a PEFT folder, or a whole model; ``None``: the base model itself.
        template: template.json.
        out: folder to write; it is complete or absent.
        facts_of_training: train.json, for the origin that the GGUF files carry; ``None``: they carry none.
    """
    facts, recorded = ModelFacts.read(model), Template.read(template)
    provenance = Provenance.start([model, template, *([adapters] if adapters else [])])
    net = load_evaluated(facts, adapters, get_saved_artefact(adapters) if adapters else "causal_lm")
    dtype, reason = choose_dtype(net, facts.dtype)
    unfinished = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    import torch

    if net.can_generate():
        net.generation_config.eos_token_id = recorded.stop_ids if len(recorded.stop_ids) > 1 else recorded.stop_ids[0]
        net.generation_config.pad_token_id = recorded.pad_id
    net.config.pad_token_id = recorded.pad_id
    net.to(getattr(torch, dtype)).save_pretrained(unfinished)
    save_tokenizer(facts.path, unfinished, recorded)
    # image processor and pooling: what else such a model needs
    for file in (
        *Path(facts.path).glob("*processor*config.json"),
        *(adapters.glob("embedding.json") if adapters else ()),
    ):
        shutil.copyfile(file, unfinished / file.name)
    write_json(
        unfinished / "gaslamp.json",
        {"dtype": dtype, "reason": reason, "base": facts.source, "provenance": provenance.model_dump()}
        | ({"origin": describe_origin(facts_of_training)} if facts_of_training else {}),
    )
    verify(unfinished, recorded, net.can_generate())
    if (unfinished / "embedding.json").is_file():
        from gaslamp.train.methods.embedding import finish

        finish(unfinished)
    if out.exists():
        shutil.rmtree(out)
    os.replace(unfinished, out)
    size = get_size(sum(f.stat().st_size for f in out.rglob("*")))
    say(f"{'merged model' if adapters else 'base model, untrained'}: {size} in {dtype} ({reason})")


def verify(folder: Path, template: Template, answers: bool = True) -> None:
    """Check what other tools will read: end token, template, weights. Raises GaslampError when one differs."""
    read_model_folder(folder)
    tokenizer = load_tokenizer(folder)
    ends = read_json(folder / "generation_config.json").get("eos_token_id") if answers else template.stop_ids
    problems = []
    if (tokenizer.chat_template or "") != template.chat_template:
        problems.append("the chat template differs from data/template.json")
    if tokenizer.eos_token_id != template.eos_id:
        problems.append(f"its tokenizer ends with {tokenizer.eos_token}, training ended with {template.eos_token}")
    if (ends if isinstance(ends, list) else [ends]) != template.stop_ids:
        problems.append(f"generation_config.json ends with {ends}, training with {template.stop_ids}")
    if problems:
        raise GaslampError(
            f"the merged model is wrong: {'; '.join(problems)}",
            "please report this: it is a bug in the merged exporter",
        )
