"""Models that read plain texts: base models without a chat template, and encoders of the BERT family.

Continued pre-training and embeddings render no conversation, so they need no chat template. What a tokenizer puts
around a text ([CLS] and [SEP], or a BOS token) stands in for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.core.contracts import Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import sha256_text
from gaslamp.models.checkpoint import is_encoder_model
from gaslamp.models.loading import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PLAIN_KINDS = ("text", "pair")
"""Kinds of rows (gaslamp.data.rows) that are learnt as plain text."""


def has_chat_template(folder: str | Path) -> bool:
    """Whether the tokenizer of a checkpoint has a chat template."""
    return isinstance(load_tokenizer(folder).chat_template, str)


def get_text_ends(tokenizer: PreTrainedTokenizerFast) -> tuple[str, str]:
    """The special tokens that a tokenizer puts in front of a plain text and behind it."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    start = next((n for n in range(len(whole)) if whole[n : n + len(bare)] == bare), 0)
    before, after = whole[:start], whole[start + len(bare) :]
    return "".join(tokenizer.convert_ids_to_tokens(before)), "".join(tokenizer.convert_ids_to_tokens(after))


def build_plain_template(model_path: str | Path, text: str) -> Template:
    """What is recorded of a tokenizer without a chat template: its special tokens, and a text as an example.

    Args:
        model_path: checkpoint folder.
        text: one training text, recorded with its ids.

    Raises:
        GaslampError: the tokenizer has no token that ends a text.
    """
    tokenizer = load_tokenizer(model_path)
    end = next((i for i in (tokenizer.eos_token_id, tokenizer.sep_token_id) if i is not None), None)
    if end is None:
        raise GaslampError(
            f"the tokenizer of {model_path} names no token that ends a text",
            "set eos_token in its tokenizer_config.json",
            "use another model",
        )
    pad = tokenizer.pad_token_id
    if pad is None or (pad == end and tokenizer.unk_token_id is not None):
        pad = end if tokenizer.unk_token_id is None else tokenizer.unk_token_id
    ids = tokenizer(text)["input_ids"]
    names = tokenizer.convert_ids_to_tokens([end, pad])
    return Template(
        chat_template="",
        sha256=sha256_text(""),
        bos_token=tokenizer.bos_token,
        eos_token=names[0],
        pad_token=names[1],
        bos_id=tokenizer.bos_token_id,
        eos_id=end,
        pad_id=pad,
        stop_ids=[end],
        stop_tokens=names[:1],
        example_text=tokenizer.decode(ids),
        example_ids=ids,
        example_trained=[not is_encoder_model(model_path)] * len(ids),
    )
