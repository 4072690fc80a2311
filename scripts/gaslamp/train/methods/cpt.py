"""Continued pre-training: learn the language of running text.

Use it before sft where the model hardly knows the field.
"""

from __future__ import annotations

from gaslamp.data.rows import Row
from gaslamp.models.masks import mark_text
from gaslamp.train.method import Context
from gaslamp.train.method import Settings as Settings
from gaslamp.train.methods.sft import get_token_trainer
from gaslamp.train.types import Columns, Tokenizer, Trainer

KINDS = ("text",)
FIRST_FOR = ("text",)  # of the methods that learn from such rows the one to start with
NEEDS = (
    "running text, one document a row (a text column, or text files): the more, the better; at least ten thousand words"
)
ARTEFACT = "causal_lm"
TITLE = "continued pre-training"
REASON = "the rows are running text without questions, so the model is trained to continue such text"
LEARN = """\
Continued pre-training goes on with what the base model was made by: predicting the next token of plain text. Every
token counts in the loss. It teaches the vocabulary and the style of a field; it does not teach the model to answer,
and it can weaken what an instruction model learned. Follow it with the method sft when you need answers."""
PANELS = ("loss", "token_accuracy", "entropy")
REFERENCE_LABEL = "text"
CHUNKED_LOSS = True
ADAPTERS = ("lora", "none")
PACKS = True
CUTS_LONG_ROWS = True  # into pieces of train.max_length tokens, all of them learned
PRESET = {
    "learning_rate": 2e-4,
    "epochs": 1,
    "batch_size": 2,
    "gradient_accumulation": 4,
    "max_length": 512,
    "packing": True,
    "warmup_steps": 10,
}
BY_SIZE = {15: {"learning_rate": 1e-4}}
FULL_PRESET = {"learning_rate": 2e-5}  # every weight changes: a tenth of an adapter's rate
FULL_BY_SIZE = {2: {"learning_rate": 1e-5}, 15: {"learning_rate": 5e-6}}
METRICS = ("loss", "token_accuracy", "entropy", "grad_norm")
DEFAULT_METRICS = ("perplexity",)


def validate(row: Row) -> list[str]:
    """What is wrong with one row, as short phrases; empty when nothing is."""
    return [] if row["text"].strip() else ["the text is empty"]


def get_trainer(context: Context) -> Trainer:
    """TRL's trainer on chunks of the documents: every token carries loss, the end token of a document too."""
    return get_token_trainer(context, encode(context, context.train), encode(context, context.valid))


def encode(context: Context, rows: list[Row]) -> list[Columns]:
    """``input_ids`` and ``labels`` of the chunks of the documents.

    In a marked document only what is marked has labels.
    """
    size = context.settings.train.max_length
    plain = [row for row in rows if "train" not in row]
    chunks = [chunk for row in plain for chunk in split(encode_text(context.tokenizer, row["text"]), size)]
    marked = [
        context.renderer.encode_pieces([mark_text(row["text"], row, key="text")])[0] for row in rows if "train" in row
    ]
    cut = [pair for row in marked for pair in zip(split(row.ids, size), split(row.labels, size), strict=True)]
    return [{"input_ids": chunk, "labels": chunk} for chunk in chunks] + [
        {"input_ids": ids, "labels": labels} for ids, labels in cut if any(label != -100 for label in labels[1:])
    ]


def encode_text(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of a document as the tokenizer begins one, with the end token at its end."""
    ids: list[int] = tokenizer(text)["input_ids"]
    return ids if ids[-1:] == [tokenizer.eos_token_id] else [*ids, tokenizer.eos_token_id]


def split(ids: list[int], size: int) -> list[list[int]]:
    """A document in chunks of at most ``size`` tokens.

    A last chunk of one token has nothing to predict and is left out.
    """
    chunks = [ids[start : start + size] for start in range(0, len(ids), size)]
    return [chunk for chunk in chunks if len(chunk) > 1]
