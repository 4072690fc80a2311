"""Answers to questions with images: the same rendered prompt, the images sized as in training and through the model's own processor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaslamp.data.images import read_image
from gaslamp.data.rows import Message, get_images
from gaslamp.evaluate.decode import cut, get_generate_settings
from gaslamp.evaluate.probe import run_growing
from gaslamp.evaluate.questions import Question, get_prediction
from gaslamp.models.processor import load_processor

if TYPE_CHECKING:
    from gaslamp.evaluate.generate import Asker

MOST = 32  # rows together


@dataclass
class Sight:
    """How a model is shown pictures: sized as in training, through its own processor."""

    processor: Any
    folder: Path  # image paths in rows are relative to it
    sizes: dict[str, int] = field(default_factory=dict)  # shortest and longest, in pixels; empty: as they are

    @classmethod
    def load(cls, model_path: str | Path, pad_token: str | None, folder: Path, sizes: dict[str, int]) -> Sight:
        """With the processor of a model folder."""
        processor = load_processor(model_path)
        processor.tokenizer.padding_side = "left"
        processor.tokenizer.pad_token = pad_token
        return cls(processor, folder, sizes)

    def encode(self, texts: list[str], talks: list[list[Message]]) -> Any:
        """Tensors of some rendered prompts with the pictures of their conversations, padded on the left."""
        pictures = [
            [read_image(self.folder / path, **self.sizes) for path in get_images(messages)] for messages in talks
        ]
        images = pictures if any(pictures) else None
        return self.processor(
            text=texts, images=images, padding=True, padding_side="left", return_tensors="pt", add_special_tokens=False
        )


def answer_images(asker: Asker, questions: list[Question]) -> Iterator[dict[str, Any]]:
    """Yield one prediction for each question, in batches of like limit, padded on the left; images are read as they are needed.

    How many go together is found on the way: one row is answered, then two, and what the second took tells how many fit.

    Args:
        asker: the loaded model, its renderer, the folder that image paths are relative to and the sizes of images.
        questions: with or without images.
    """
    sight = Sight.load(asker.model_path, asker.renderer.tokenizer.pad_token, asker.folder, asker.sizes)
    stops, pad = asker.template.stop_ids, asker.template.pad_id
    progress = asker.get_progress("answer", len(questions))
    progress.update(0)

    def run(numbers: list[int]) -> list[dict[str, Any]]:
        batch = [questions[n] for n in numbers]
        texts = [asker.renderer.render(question.messages, generate=True) for question in batch]
        started = time.monotonic()
        inputs = sight.encode(texts, [question.messages for question in batch])
        settings = get_generate_settings(
            max(question.max_tokens for question in batch), stops, pad, asker.sampling, numbers[0]
        )
        output = asker.model.generate(**inputs.to(asker.model.device), **settings)
        seconds = (time.monotonic() - started) / len(batch)
        found = []
        for question, row in zip(batch, output[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
            answer = cut(0, row[: question.max_tokens], stops, seconds)
            text = asker.renderer.tokenizer.decode(answer.tokens, skip_special_tokens=True)
            found.append(
                get_prediction(question, text, answer.stopped, len(answer.tokens), seconds, list(answer.tokens))
            )
        return found

    # the longest first: what they take is enough for all
    order = sorted(
        range(len(questions)),
        key=lambda n: (-questions[n].max_tokens, -sum(len(str(m["content"])) for m in questions[n].messages)),
    )
    found = run_growing(asker.model.device, order, asker.batch_size, MOST, run, lambda n: questions[n].max_tokens)
    for done, prediction in enumerate(found, 1):
        yield prediction
        progress.update(done)
