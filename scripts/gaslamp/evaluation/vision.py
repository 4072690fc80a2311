"""Answers to questions with images: the same rendered prompt, the images sized as in training and through the model's own processor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gaslamp.data.images import read_image
from gaslamp.evaluation.decode import cut, get_generate_settings
from gaslamp.evaluation.probe import run_growing
from gaslamp.evaluation.questions import Question, get_prediction
from gaslamp.processor import load_processor
from gaslamp.rows import get_images

if TYPE_CHECKING:
    from gaslamp.evaluation.generate import Asker

MOST = 32  # rows together


def answer_images(asker: Asker, questions: list[Question]) -> Iterator[dict[str, Any]]:
    """Yield one prediction for each question, in batches of like limit, padded on the left; images are read as they are needed.

    How many go together is found on the way: one row is answered, then two, and what the second took tells how many fit.

    Args:
        asker: the loaded model, its renderer, the folder that image paths are relative to and the sizes of images.
        questions: with or without images.
    """
    processor = load_processor(asker.model_path)
    processor.tokenizer.padding_side = "left"
    processor.tokenizer.pad_token = asker.renderer.tokenizer.pad_token
    stops, pad = asker.template.stop_ids, asker.template.pad_id
    progress = asker.get_progress("answer", len(questions))
    progress.update(0)

    def run(numbers: list[int]) -> list[dict[str, Any]]:
        batch = [questions[n] for n in numbers]
        texts = [asker.renderer.render(question.messages, generate=True) for question in batch]
        pictures = [[read_image(asker.folder / path, **asker.sizes) for path in get_images(question.messages)] for question in batch]
        started = time.monotonic()
        inputs = get_inputs(processor, texts, pictures)
        settings = get_generate_settings(max(question.max_tokens for question in batch), stops, pad, asker.sampling, numbers[0])
        output = asker.model.generate(**inputs.to(asker.model.device), **settings)
        seconds = (time.monotonic() - started) / len(batch)
        found = []
        for question, row in zip(batch, output[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
            answer = cut(0, row[: question.max_tokens], stops, seconds)
            text = processor.tokenizer.decode(answer.tokens, skip_special_tokens=True)
            found.append(get_prediction(question, text, answer.stopped, len(answer.tokens), seconds))
        return found

    # the longest first: what they take is enough for all
    order = sorted(range(len(questions)), key=lambda n: (-questions[n].max_tokens, -sum(len(str(m["content"])) for m in questions[n].messages)))
    found = run_growing(asker.model.device, order, asker.batch_size, MOST, run, lambda n: questions[n].max_tokens)
    for done, prediction in enumerate(found, 1):
        yield prediction
        progress.update(done)


def get_inputs(processor: Any, texts: list[str], pictures: list[list[Any]]) -> Any:
    """Tensors of some prompts with their pictures, padded on the left."""
    images = pictures if any(pictures) else None
    return processor(text=texts, images=images, padding=True, padding_side="left", return_tensors="pt", add_special_tokens=False)
