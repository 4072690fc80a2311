"""Answers to questions with images: the same rendered prompt, the images through the model's own processor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gaslamp.console import Progress
from gaslamp.evaluation.decode import cut, get_generate_settings
from gaslamp.evaluation.measure import run_batches
from gaslamp.evaluation.questions import Question, get_prediction
from gaslamp.rows import get_images

if TYPE_CHECKING:
    from gaslamp.evaluation.generate import Asker

BATCH = 8


def answer_images(asker: Asker, questions: list[Question]) -> Iterator[dict[str, Any]]:
    """Yield one prediction for each question, in batches of equal limit, padded on the left; images are read as they are needed.

    Args:
        asker: the loaded model, its renderer and the folder that image paths are relative to.
        questions: with or without images.
    """
    from PIL import Image
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(asker.model_path, trust_remote_code=False)
    processor.tokenizer.padding_side = "left"
    processor.tokenizer.pad_token = asker.renderer.tokenizer.pad_token
    stops, pad = asker.template.stop_ids, asker.template.pad_id
    progress = Progress("answer", len(questions))
    progress.update(0)

    def run(numbers: list[int]) -> list[dict[str, Any]]:
        batch = [questions[n] for n in numbers]
        texts = [asker.renderer.render(question.messages, generate=True) for question in batch]
        pictures = [[Image.open(asker.folder / path).convert("RGB") for path in get_images(question.messages)] for question in batch]
        started = time.monotonic()
        inputs = processor(text=texts, images=pictures if any(pictures) else None, padding=True, return_tensors="pt", add_special_tokens=False)
        settings = get_generate_settings(max(question.max_tokens for question in batch), stops, pad, asker.sampling, numbers[0])
        output = asker.model.generate(**inputs.to(asker.model.device), **settings)
        seconds = (time.monotonic() - started) / len(batch)
        found = []
        for question, row in zip(batch, output[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
            answer = cut(0, row[: question.max_tokens], stops, seconds)
            text = processor.tokenizer.decode(answer.tokens, skip_special_tokens=True)
            found.append(get_prediction(question, text, answer.stopped, len(answer.tokens), seconds))
        return found

    order = sorted(range(len(questions)), key=lambda n: (questions[n].max_tokens, sum(len(str(m["content"])) for m in questions[n].messages)))
    size = min(asker.batch_size or BATCH, BATCH)
    for done, prediction in enumerate(run_batches(order, size, run, lambda n: questions[n].max_tokens), 1):
        yield prediction
        progress.update(done)
