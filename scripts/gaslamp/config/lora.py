"""What the options of ``train.lora`` ask for, from the config alone."""

from __future__ import annotations

import re
from typing import Any

from gaslamp.config.lora_options import LORA_OPTIONS
from gaslamp.config.sections.train import CHANGES_BASE, Lora
from gaslamp.core.files import JsonObject

HEAD = "lm_head"
EMBEDDINGS = (HEAD, "embed_tokens", "embed_in", "embed_out", "wte", "word_embeddings", "tok_embeddings")
"""Last names of the modules that hold a row for each token."""


def get_used_options(lora: JsonObject) -> list[str]:
    """The keys in LORA_OPTIONS that are not at their default."""
    default = Lora().model_dump()  # type: ignore[call-arg]
    return [key for key in LORA_OPTIONS if key in lora and lora[key] != default[key]]


def drop_unused_options(lora: JsonObject) -> JsonObject:
    """``train.lora`` without the options that are at their default: what a page shows of it."""
    used = get_used_options(lora)
    return {key: value for key, value in lora.items() if key not in LORA_OPTIONS or key in used}


def get_target_embeddings(lora: JsonObject) -> list[str]:
    """The modules with a row for each token that get low-rank matrices, by their last names."""
    wanted = lora["target_modules"]
    if isinstance(wanted, str):  # all-linear leaves them out; another text is a pattern
        return [name for name in EMBEDDINGS if re.fullmatch(wanted, name) or re.fullmatch(wanted, f"model.{name}")]
    return _get_last_names(wanted)


def get_embeddings(lora: JsonObject) -> list[str]:
    """The modules with a row for each token that the adapter changes, by their last names."""
    return sorted({*get_target_embeddings(lora), *_get_last_names(lora.get("modules_to_save", ()))})


def needs_whole_base(lora: JsonObject) -> bool:
    """Whether the adapter was proven on 16- and 32-bit base weights only."""
    return bool(lora["use_dora"] or lora["init_lora_weights"] in CHANGES_BASE or get_embeddings(lora))


def _get_last_names(names: Any) -> list[str]:
    return sorted({last for name in names if (last := name.rpartition(".")[2]) in EMBEDDINGS})
