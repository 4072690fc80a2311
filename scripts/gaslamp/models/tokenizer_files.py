"""The tokenizer of a base model, written into another folder with nothing of it lost."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from gaslamp.core.contracts import Template
from gaslamp.core.files import read_json, write_json, write_text
from gaslamp.models.loading import load_tokenizer

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tekken.json",
    "added_tokens.json",
    "special_tokens_map.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
)
"""What makes a tokenizer, by the names of transformers and of the converters; a model has some of them."""


def save_tokenizer(base: str | Path, out: Path, template: Template) -> None:
    """Write every tokenizer file of ``base`` to ``out``, with the recorded end token, padding and chat template.

    transformers saves less than it reads: no tokenizer.model, no added_tokens.json, and a class name that earlier
    versions and llama.cpp's converter do not know. So the files of the base model are kept, and only what the template
    records is changed in them.

    Args:
        base: checkpoint folder of the base model.
        out: an existing folder.
        template: as recorded by the data phase.
    """
    recorded = {"eos_token": template.eos_token, "pad_token": template.pad_token}
    templates = {"chat_template": template.chat_template} if template.chat_template else {}  # plain texts need none
    save_tokenizer_as(base, out, recorded | templates)


def save_tokenizer_as(base: str | Path, out: Path, changes: Mapping[str, str]) -> None:
    """The same with only some values changed.

    Args:
        base, out: as for ``save_tokenizer``.
        changes: of chat_template, eos_token and pad_token; what it does not name stays as the base model has it.
    """
    tokenizer = load_tokenizer(base)
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    tokenizer.save_pretrained(out)  # complete where the base model has only a part, such as tokenizer.model alone
    for name in (*FILES, "chat_template.jinja"):
        if (Path(base) / name).is_file():
            shutil.copyfile(Path(base) / name, out / name)
    if changes:
        _update(out / "tokenizer_config.json", changes)
    tokens = {name: value for name, value in changes.items() if name != "chat_template"}
    if tokens and (out / "special_tokens_map.json").is_file():
        _update(out / "special_tokens_map.json", tokens)
    # where transformers looks first, and where earlier versions look: both must say the same
    if "chat_template" in changes:
        write_text(out / "chat_template.jinja", changes["chat_template"])


def _update(file: Path, values: Mapping[str, str]) -> None:
    write_json(file, {**read_json(file), **values})
