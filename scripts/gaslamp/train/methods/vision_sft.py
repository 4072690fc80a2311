"""Supervised fine-tuning of a vision model: learn to give the answers of rows with images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaslamp.core.errors import GaslampError
from gaslamp.data.images import read_image
from gaslamp.data.rows import Row, get_images
from gaslamp.models.checkpoint import VISION_PARTS
from gaslamp.models.processor import load_processor
from gaslamp.train import method
from gaslamp.train.method import Context
from gaslamp.train.methods.sft import validate as validate_conversation
from gaslamp.train.preference import encode_answer
from gaslamp.train.types import Columns, Trainer
from pydantic import Field

if TYPE_CHECKING:
    import torch

KINDS = ("conversation",)
FIRST_FOR = ("images",)  # of the methods that learn from such rows the one to start with
NEEDS = "rows with images and the wanted answer (messages with image parts, or image + question + answer)"
ARTEFACT = "causal_lm"
TITLE = "vision fine-tuning"
REASON = "the rows show images with the wanted answer, so the model is trained to give that answer to such images"
LEARN = """\
Vision fine-tuning: the vision tower turns an image into tokens that the language model reads next to the prompt,
and the answer's tokens count in the loss. Images must have the size in use that they had in training. When the
images are of a common kind, leave the vision tower as it is and adapt the language layers only: faster, and less
can be lost."""
PANELS = ("loss", "token_accuracy", "entropy")
MULTIMODAL = True  # the base must be a vision model; checked with the config
PRESET = {"learning_rate": 2e-4, "batch_size": 2, "gradient_accumulation": 4, "max_steps": None, "max_length": 2048}
BY_SIZE = {15: {"learning_rate": 1e-4}}
METRICS = ("loss", "token_accuracy", "entropy", "grad_norm")
EVALUATION_OPTIONS = ("shortest", "longest")  # an image must have the size it was trained with
DEFAULT_METRICS = ("exact_match", "character_error_rate", "word_error_rate")

ATTENTION = ("attn", "attention", "q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "qkv")


class Settings(method.Settings):
    """Options of vision_sft."""

    vision_layers: bool = Field(
        True,
        description="Adapt the vision tower; off when the images are of a common kind: faster, and less can be lost.",
    )
    language_layers: bool = Field(True, description="Adapt the language model.")
    attention_layers: bool = Field(True, description="Of both, adapt attention.")
    mlp_layers: bool = Field(True, description="Of both, adapt the feed-forward layers.")
    shortest: int = Field(
        300,
        ge=1,
        le=4096,
        description="Images whose long side is shorter are enlarged to so many pixels; 300 to 1000 suits most models.",
    )
    longest: int = Field(
        1000,
        ge=1,
        le=8192,
        description="Images whose long side is longer are reduced to so many pixels; more cost tokens and memory.",
    )


def validate(row: Row) -> list[str]:
    """What is wrong with one row, as short phrases; empty when nothing is.

    A row without an image is fine: general chat data.
    """
    if any(get_images([message]) for message in row["messages"] if message["role"] == "assistant"):
        return ["an assistant turn holds an image: models answer with text"]
    return validate_conversation(row)


def load_model(path: str | Path, dtype: str) -> object:
    """The base model with its vision tower."""
    import torch
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(
        path, dtype=getattr(torch, dtype), trust_remote_code=False, use_safetensors=True, attn_implementation="sdpa"
    )


def get_trainer(context: Context) -> Trainer:
    """TRL's SFTTrainer with its vision collator.

    The recorded template renders prompt and answer; images are read batch by batch.

    Raises:
        GaslampError: a model without an image processor, or switches that leave nothing to adapt.
    """
    from trl import SFTConfig, SFTTrainer
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    processor = load_processor(context.model_path)
    if not hasattr(processor, "image_processor"):
        raise GaslampError(
            f"{context.model_path} has no image processor: it is no vision model",
            "set model.source to a vision model",
            "preprocessor_config.json is missing in its folder",
        )
    processor.tokenizer = context.tokenizer
    if context.peft_config is not None:
        context.peft_config.target_modules = find_modules(
            context.model, context.options, context.peft_config.target_modules
        )
        context.peft_config.exclude_modules = None
    collate = DataCollatorForVisionLanguageModeling(processor, max_length=None, completion_only_loss=True)

    def read_and_collate(rows: list[dict[str, Any]]) -> Any:
        options = context.options
        images = [
            [read_image(context.folder / name, options.shortest, options.longest) for name in row["images"]]
            for row in rows
        ]
        return collate([{**row, "images": own} for row, own in zip(rows, images, strict=True)])

    config = SFTConfig(**context.arguments, max_length=None, remove_unused_columns=False, completion_only_loss=True)
    rows, valid = render(context, context.train), render(context, context.valid)
    return context.make_trainer(
        SFTTrainer, config, rows, valid, processing_class=processor, data_collator=read_and_collate
    )


def render(context: Context, rows: list[Row]) -> list[Columns]:
    """``prompt`` and ``completion`` as text, the second with the end token, and ``images`` as paths.

    The last turn carries loss.

    A row over ``train.max_length`` is left out; the tokens of images are not counted, they depend on the model.
    """
    tokenizer, result = context.tokenizer, []
    for row in rows:
        answer = encode_answer(context.renderer, row["messages"][:-1], row["messages"][-1:], row.get("tools"))
        if len(answer.prompt_ids) + len(answer.ids) <= context.settings.train.max_length:
            text = context.renderer.render(row["messages"][:-1], generate=True, tools=row.get("tools"))
            result.append(
                {"prompt": text, "completion": tokenizer.decode(answer.ids), "images": get_images(row["messages"])}
            )
    return result


def find_modules(model: torch.nn.Module, options: Settings, wanted: str | list[str]) -> list[str]:
    """Full names of the linear layers that the switches leave.

    ``train.lora.target_modules`` may narrow them by last name.

    Raises:
        GaslampError: none is left.
    """
    import torch

    return pick_modules(
        [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)], options, wanted
    )


def pick_modules(names: list[str], options: Settings, wanted: str | list[str]) -> list[str]:
    """The linear layers to adapt.

    Args:
        names: full names of all linear layers.
        options: the switches.
        wanted: train.lora.target_modules.

    Raises:
        GaslampError: none is left.
    """
    found = []
    for name in names:
        last = name.rpartition(".")[2]
        if last == "lm_head" or (isinstance(wanted, list) and last not in wanted):
            continue
        part = options.vision_layers if any(word in name for word in VISION_PARTS) else options.language_layers
        kind = options.attention_layers if any(word in name for word in ATTENTION) else options.mlp_layers
        if part and kind:
            found.append(name)
    if not found:
        raise GaslampError(
            "the switches of vision_sft leave no layer to adapt",
            "turn on one of vision_layers and language_layers, and one of attention_layers and mlp_layers",
        )
    return found
