"""Answers to prompts with images: rendered as in training, images resized as in training,
through the model's processor.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaslamp.core.contracts import Template
from gaslamp.data.images import read_image
from gaslamp.data.rows import Message, get_images
from gaslamp.evaluate.batching import run_growing
from gaslamp.evaluate.decode import Sampling, cut_at_stop, get_generate_settings
from gaslamp.evaluate.predictions import Prediction, make_prediction
from gaslamp.evaluate.prompts import EvalPrompt
from gaslamp.models.processor import load_processor
from gaslamp.models.template import Renderer

if TYPE_CHECKING:
    from gaslamp.evaluate.protocols import LanguageModel, Processor

MAX_BATCH = 32


@dataclass
class ImageInputs:
    """Makes a vision model's inputs: images resized as in training, then its own processor."""

    processor: Processor
    folder: Path  # image paths in rows are relative to it
    sizes: dict[str, int] = field(default_factory=dict)  # shortest and longest side in pixels; empty: unchanged

    @classmethod
    def load(cls, model_path: str | Path, pad_token: str | None, folder: Path, sizes: dict[str, int]) -> ImageInputs:
        """With the processor of a model folder, padding on the left with ``pad_token``."""
        processor = load_processor(model_path)
        processor.tokenizer.padding_side = "left"
        processor.tokenizer.pad_token = pad_token
        return cls(processor, folder, sizes)

    def encode(self, texts: list[str], conversations: list[list[Message]]) -> Any:
        """A BatchFeature of rendered prompts with the images of their conversations, padded on the left."""
        images = [
            [read_image(self.folder / path, **self.sizes) for path in get_images(messages)]
            for messages in conversations
        ]
        return self.processor(
            text=texts,
            images=images if any(images) else None,
            padding=True,
            padding_side="left",
            return_tensors="pt",
            add_special_tokens=False,
        )


def answer_images(
    model: LanguageModel,
    renderer: Renderer,
    template: Template,
    inputs: ImageInputs,
    prompts: list[EvalPrompt],
    batch_size: int | None,
    sampling: Sampling,
) -> Iterator[Prediction]:
    """Yield one prediction for each prompt, in batches of similar limit; images are read as they are needed.

    Args:
        model: a vision model in evaluation mode.
        renderer, template: as recorded by the data phase.
        inputs: processor and image sizes.
        prompts: with or without images.
        batch_size: rows together; ``None``: found on the way, from the memory of the first three rows.
        sampling: generation settings.
    """

    def run(numbers: list[int]) -> list[Prediction]:
        batch = [prompts[n] for n in numbers]
        texts = [renderer.render(prompt.messages, generate=True) for prompt in batch]
        started = time.monotonic()
        encoded = inputs.encode(texts, [prompt.messages for prompt in batch])
        longest = max(prompt.max_tokens for prompt in batch)
        settings = get_generate_settings(longest, template.stop_ids, template.pad_id, sampling, numbers[0])
        output = model.generate(**encoded.to(model.device), **settings)
        seconds = (time.monotonic() - started) / len(batch)
        found = []
        for prompt, row in zip(batch, output[:, encoded["input_ids"].shape[1] :].tolist(), strict=True):
            answer = cut_at_stop(0, row[: prompt.max_tokens], template.stop_ids, seconds)
            ids = list(answer.tokens)
            thought, text = renderer.read_answer(ids)
            found.append(make_prediction(prompt, text, answer.stopped, len(ids), seconds, ids, thought=thought))
        return found

    # the longest first: what fits them fits all
    order = sorted(
        range(len(prompts)),
        key=lambda n: (-prompts[n].max_tokens, -sum(len(str(m["content"])) for m in prompts[n].messages)),
    )
    yield from run_growing(model.device, order, batch_size, MAX_BATCH, run, lambda n: prompts[n].max_tokens)
