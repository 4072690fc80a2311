"""Greedy answers from a checkpoint: batches of like length, halved when memory runs out, resumed after a kill."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from gaslamp.console import Progress, say
from gaslamp.contracts import ModelFacts, Template
from gaslamp.errors import GaslampError
from gaslamp.evaluation.questions import Question, get_prediction, get_questions
from gaslamp.files import read_jsonl, sha256_path, sha256_text, write_jsonl
from gaslamp.template import Renderer


def evaluate_model(settings: Any, model: Path, adapters: Path | None, test: Path, template: Path, out: Path) -> None:
    """Ask base (no adapter) or tuned and write one prediction a line.

    Args:
        settings: slice with eval.max_new_tokens, eval.batch_size, eval.retention.
        model, test, template: files of the earlier phases.
        adapters: PEFT folder, or ``None``.
        out: predictions file; finished rows of a killed run are kept beside it and not asked again.
    """
    from gaslamp.models import load_model

    facts, recorded = ModelFacts.read(model), Template.read(template)
    renderer = Renderer.load(facts.path, recorded)
    questions = get_questions(test, renderer.tokenize, settings.eval.max_new_tokens, settings.eval.retention)
    key = sha256_text(
        json.dumps([facts.sha256, recorded.sha256, sha256_path(test), settings.eval.max_new_tokens, sha256_path(adapters) if adapters else None])
    )[:12]
    partial = out.with_name(f".{out.stem}.{key}.partial.jsonl")
    done = {row["id"]: row for row in read_jsonl(partial)} if partial.is_file() else {}
    for stale in out.parent.glob(f".{out.stem}.*.partial.jsonl"):
        if stale != partial:
            stale.unlink()
    if done:
        say(f"{len(done)} answers of an interrupted evaluation are kept")
        write_jsonl(partial, done.values())  # without the line that the kill cut
    waiting = [question for question in questions if question.id not in done]
    if waiting:
        net = load_model(facts.path, "float32", adapters, merge=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("a", encoding="utf-8") as handle:
            for row in generate(net, renderer, recorded, waiting, settings.eval.batch_size, len(done)):
                done[row["id"]] = row
                handle.write(json.dumps(row, ensure_ascii=False) + "\n")
                handle.flush()
    write_jsonl(out, [done[question.id] for question in questions])
    partial.unlink(missing_ok=True)


def generate(model: Any, renderer: Renderer, template: Template, questions: list[Question], batch_size: int, before: int = 0) -> Any:
    """Yield one prediction for each question, in batches of like prompt length and equal limit, padded on the left.

    Args:
        model: a transformers causal LM in evaluation mode.
        renderer, template: what the prompts are rendered with.
        questions: what to ask.
        batch_size: rows together; halved when memory runs out, down to 1.
        before: rows that were answered earlier, for the progress line.
    """
    import torch

    prompts = {question.id: renderer.encode_prompt(question.messages) for question in questions}
    waiting = sorted(questions, key=lambda q: (q.max_tokens, len(prompts[q.id])))
    progress = Progress("answer", before + len(questions))
    progress.update(before)
    done = before
    while waiting:
        batch = [q for q in waiting[:batch_size] if q.max_tokens == waiting[0].max_tokens]
        width = max(len(prompts[q.id]) for q in batch)
        pad = template.pad_id
        ids = torch.tensor([[pad] * (width - len(prompts[q.id])) + prompts[q.id] for q in batch], device=model.device)
        mask = torch.tensor([[0] * (width - len(prompts[q.id])) + [1] * len(prompts[q.id]) for q in batch], device=model.device)
        started = time.monotonic()
        try:
            with torch.inference_mode():
                output = model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    max_new_tokens=batch[0].max_tokens,
                    do_sample=False,
                    temperature=None,
                    top_p=None,
                    top_k=None,
                    eos_token_id=template.stop_ids,
                    pad_token_id=pad,
                )
        except (RuntimeError, MemoryError) as error:
            if "memory" not in str(error).lower():
                raise
            if len(batch) == 1:
                raise GaslampError(
                    f"not enough memory for one prompt of {width} tokens", "take a smaller model, or close other programs"
                ) from error
            batch_size = max(1, len(batch) // 2)
            say(f"out of memory: going on with batches of {batch_size}; finished answers are kept")
            continue
        seconds = (time.monotonic() - started) / len(batch)
        for question, row in zip(batch, output[:, width:].tolist(), strict=True):
            end = next((i for i, token in enumerate(row) if token in template.stop_ids), None)
            answer = row if end is None else row[:end]
            text = renderer.tokenizer.decode(answer, skip_special_tokens=True)
            yield get_prediction(question, text, end is not None, len(answer), seconds)
        done += len(batch)
        waiting = waiting[len(batch) :]
        progress.update(done)
