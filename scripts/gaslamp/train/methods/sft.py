"""Supervised fine-tuning: learn to give the answers of the rows. The method to start with when there are examples."""

from __future__ import annotations

from gaslamp.config.lora import HEAD, get_target_embeddings
from gaslamp.data.order import find_order_problem
from gaslamp.data.rows import Row, get_images, get_text, is_plain
from gaslamp.train.errors import get_no_rows_error
from gaslamp.train.method import Context
from gaslamp.train.method import Settings as Settings
from gaslamp.train.types import Columns, Trainer

KINDS = ("conversation",)
FIRST_FOR = ("conversation",)  # of the methods that learn from such rows the one to start with
NEEDS = "rows with a prompt and the wanted answer (messages, prompt + completion, question + answer, Alpaca)"
ARTEFACT = "causal_lm"
TITLE = "supervised fine-tuning"
REASON = "the rows show the wanted answer to each prompt, so the model is trained to give that answer"
LEARN = """\
Supervised fine-tuning shows the model a prompt and the answer you want, and adjusts it until that answer becomes
the likely one. It teaches form and behaviour quickly; it is a poor way to teach facts. Only the answer's tokens
count in the loss, so the model learns to answer, not to write prompts."""
PANELS = ("loss", "token_accuracy", "entropy")
CHUNKED_LOSS = True
ADAPTERS = ("lora", "none")
PACKS = True
PRESET = {
    "learning_rate": 1e-3,
    "batch_size": 2,  # small batches learn most for the same work on a CPU
    "gradient_accumulation": 1,
    "max_length": 512,
    "scheduler": "cosine",
    "warmup_steps": 5,
    "adam_beta2": 0.95,
}
BY_SIZE = {
    0.5: {"learning_rate": 5e-4, "gradient_accumulation": 4, "warmup_steps": 10},
    2: {"learning_rate": 2e-4},
    15: {"learning_rate": 1e-4},
}
FULL_PRESET = {"learning_rate": 1e-4}  # every weight changes: a tenth of an adapter's rate
FULL_BY_SIZE = {0.5: {"learning_rate": 2e-5}, 2: {"learning_rate": 1e-5}, 15: {"learning_rate": 2e-6}}
METRICS = ("loss", "token_accuracy", "entropy", "grad_norm")
DEFAULT_METRICS: tuple[str, ...] = ()  # chosen by the form of the answers: JSON, numbers, classes, short, long

TAKES_PLAIN = True  # a row that is_plain needs no further look


def validate(row: Row) -> list[str]:
    """What is wrong with one row, as short phrases; empty when nothing is."""
    messages = row["messages"]
    if is_plain(row):  # nearly every row, and there may be millions
        return []
    problem = find_order_problem(row)
    empty = [
        m
        for m in messages
        if m["role"] not in ("system", "tool")
        and not m.get("tool_calls")
        and not get_text(m).strip()
        and not get_images([m])
    ]
    return [*([problem] if problem else []), *(f"empty {m['role']} turn" for m in empty)]


def get_trainer(context: Context) -> Trainer:
    """TRL's trainer on rows that are already tokens.

    The labels come from gaslamp.models.template, so that training learns what was recorded and checked.
    """

    def encode(rows: list[Row]) -> list[Columns]:
        return [
            {"input_ids": sequence.ids, "labels": sequence.labels}
            for row in rows
            for sequence in context.renderer.encode_all(row["messages"], row.get("tools"))
            if len(sequence.ids) <= context.settings.train.max_length
        ]

    return get_token_trainer(context, encode(context.train), encode(context.valid))


def get_token_trainer(context: Context, train: list[Columns], valid: list[Columns]) -> Trainer:
    """TRL's SFTTrainer on rows of ``input_ids`` and ``labels`` that are short enough."""
    from trl import SFTConfig, SFTTrainer

    settings = context.settings.train
    if not train:
        raise get_no_rows_error(settings.max_length)
    # rows are tokens already, and none is too long; to pack, the trainer must know how much fits
    own: dict[str, object] = {
        "packing": settings.packing,
        "eval_packing": False,
        "max_length": settings.max_length if settings.packing else None,
    }
    if settings.adapter == "lora" and HEAD in get_target_embeddings(context.settings.dump()["train"]["lora"]):
        own["loss_type"] = "nll"  # TRL's default loss reads the head's weight and would not see the adapter on it
    return context.make_trainer(SFTTrainer, SFTConfig(**context.arguments, **own), train, valid)
