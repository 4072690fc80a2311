"""Embeddings: texts that belong together get vectors that point the same way, for search, clustering and duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.config.base_models import ENCODERS
from gaslamp.core.files import read_json, write_json
from gaslamp.data.rows import Row
from gaslamp.train import method
from gaslamp.train.method import Context
from gaslamp.train.types import Columns, Trainer
from pydantic import Field

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

KINDS = ("pair",)
FIRST_FOR = ("pair",)  # of the methods that learn from such rows the one to start with
NEEDS = "pairs of texts that belong together (anchor, positive; a similar text that is wrong: negative)"
ARTEFACT = "encoder"
TITLE = "embedding model"
REASON = "the rows hold texts that belong together, so the model is trained to give them similar vectors for search"
LEARN = """\
An embedding model turns a text into one vector. Training pulls the vectors of texts that belong together towards
each other and pushes all other texts of the batch away, so a larger batch is a harder and better exercise. The
result writes no text: it finds, groups and removes duplicates, and a search index must be built again with the new
vectors."""
PANELS = ("loss",)
REFERENCE_LABEL = "matching text"
POOLING = "mean"
SEQUENCES = 2  # a row is two texts
BATCH_IS_LOSS = True
PRESET = {
    "learning_rate": 2e-4,
    "batch_size": 16,
    "gradient_accumulation": 1,
    "epochs": 3,
    "max_length": 256,
    "warmup_steps": 10,
}
BY_SIZE = {2: {"learning_rate": 1e-4}}
METRICS = ("loss", "grad_norm")
DEFAULT_METRICS = ("retrieval", "mean_reciprocal_rank")


class Settings(method.Settings):
    """Options of embedding."""

    temperature: float = Field(
        0.05,
        gt=0,
        le=1,
        description="Sharpness among the texts of a batch; smaller punishes near misses harder; typical 0.01 to 0.1.",
    )
    chunk: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Texts embedded at once, for a large batch_size in little memory (GradCache); null: all.",
    )


def validate(row: Row) -> list[str]:
    """What is wrong with one row, as short phrases; empty when nothing is."""
    problems = [
        f"{name} is empty" for name in ("anchor", "positive", "negative") if name in row and not str(row[name]).strip()
    ]
    if row["anchor"] == row["positive"]:
        problems.append("anchor and positive are the same text: nothing to learn")
    return problems


def load_model(path: str | Path, dtype: str) -> object:
    """The base model without its head, as a SentenceTransformer."""
    import torch

    return build(path, getattr(torch, dtype))


def build(path: str | Path, dtype: torch.dtype) -> SentenceTransformer:
    """A SentenceTransformer on the checkpoint in ``path``: the mean over a text's tokens, as in the evaluation."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    # plain text: with a chat template, every text would become a user turn otherwise
    text = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
    backbone = Transformer(
        str(path),
        model_kwargs={"dtype": dtype, "use_safetensors": True},
        modality_config=text,
        module_output_name="token_embeddings",
    )
    return SentenceTransformer(
        modules=[backbone, Pooling(backbone.get_embedding_dimension(), pooling_mode=POOLING)], device="cpu"
    )


def get_trainer(context: Context) -> Trainer:
    """sentence-transformers' trainer: the other positives of a batch and the negatives are the wrong answers."""
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import (
        CachedMultipleNegativesRankingLoss,
        MultipleNegativesRankingLoss,
    )

    model, options, train = context.model, context.options, context.settings.train
    model[0].max_seq_length = train.max_length
    model.tokenizer.pad_token = context.tokenizer.pad_token
    if context.peft_config is not None:
        context.peft_config.task_type = "FEATURE_EXTRACTION"
        model.add_adapter(context.peft_config)
    scale = {"scale": 1 / options.temperature}
    loss = (
        CachedMultipleNegativesRankingLoss(model, mini_batch_size=options.chunk, **scale)
        if options.chunk
        else MultipleNegativesRankingLoss(model, **scale)
    )
    if own := _get_other_pooling(Path(model[0].auto_model.config._name_or_path)):
        reason = f"the base model was trained to pool by {own}; after training, the mean over the tokens is right"
        context.decide("pooling", POOLING, reason)
    names = ["anchor", "positive"]
    have = sum("negative" in row for row in context.train + context.valid)
    if have:
        whole = have == len(context.train) + len(context.valid)
        names += ["negative"] if whole else []
        rows = len(context.train) + len(context.valid)
        reason = "every row has one" if whole else f"{have} of {rows} rows have one, and either all must or none"
        context.decide("negatives", "used" if whole else "left out", reason)
    return SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(**context.arguments, batch_sampler="no_duplicates"),
        train_dataset=context.to_dataset([{name: row[name] for name in names} for row in context.train]),
        eval_dataset=context.to_dataset([{name: row[name] for name in names} for row in context.valid]),
        loss=loss,
        callbacks=context.callbacks,
    )


def _get_other_pooling(folder: Path) -> str | None:
    """How the base model made one vector of its tokens, where that is not the mean; None: by the mean, or unknown."""
    file = folder / "1_Pooling" / "config.json"
    if not file.is_file():
        return None
    value = read_json(file)
    modes = [key.removeprefix("pooling_mode_") for key, on in value.items() if key.startswith("pooling_mode_") and on]
    own = str(value.get("pooling_mode") or ", ".join(modes))
    return None if own in ("", "mean", "mean_tokens") else own


def get_probe_batch(trainer: Trainer, rows: list[Columns]) -> Columns:
    """The batch of the longest texts: the collator tokenizes rows, so their lengths in tokens are not known."""
    every = list(trainer.train_dataset)
    every.sort(key=lambda row: sum(len(text) for text in row.values()), reverse=True)
    batch: Columns = trainer.data_collator(every[: trainer.args.per_device_train_batch_size])
    return batch


def save(trainer: Trainer, folder: Path) -> None:
    """Write the adapter under the names that it has in the causal model, so that later phases apply it like any other;
    in a model that is an encoder itself they are the same.

    ``embedding.json`` in the same folder records how token vectors become one; the merge then calls ``finish``.
    """
    from safetensors.torch import load_file, save_file

    backbone = trainer.model[0].auto_model
    backbone.save_pretrained(folder)
    weights, config = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    values = {**read_json(config), "base_model_name_or_path": None}
    if type(backbone).__name__ not in ENCODERS:
        start = "base_model.model."
        tensors = {
            key.replace(start, f"{start}{backbone.base_model_prefix}.", 1): value
            for key, value in load_file(weights).items()
        }
        save_file(tensors, weights, metadata={"format": "pt"})
        values["task_type"] = "CAUSAL_LM"
    write_json(config, values)
    write_json(
        folder / "embedding.json",
        {"pooling": POOLING, "normalize": True, "max_length": trainer.model[0].max_seq_length},
    )


def finish(folder: Path) -> None:
    """Make the merged folder one that sentence-transformers loads: no head, mean pooling, vectors of length 1."""
    import shutil

    import torch
    from sentence_transformers.sentence_transformer.modules import Normalize

    whole = folder.with_name(f"{folder.name}.whole")
    folder.rename(whole)
    model = build(whole, getattr(torch, read_json(whole / "gaslamp.json")["dtype"]))
    model[0].max_seq_length = read_json(whole / "embedding.json")["max_length"]
    model.append(Normalize())
    model.save_pretrained(str(folder), create_model_card=False)
    for name in ("gaslamp.json", "embedding.json"):
        shutil.copy2(whole / name, folder)
    shutil.rmtree(whole)
