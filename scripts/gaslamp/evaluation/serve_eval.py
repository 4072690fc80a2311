"""The same questions through llama-server, as a user of the shipped file would ask them."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

from gaslamp.console import Progress
from gaslamp.evaluation.questions import get_prediction, get_questions
from gaslamp.files import read_json, read_jsonl, write_jsonl
from gaslamp.llamacpp.server import BATCH_PARALLEL, LlamaServer
from gaslamp.rows import get_prompt, get_reference, get_text


def evaluate_gguf(settings: Any, gguf: Path, toolchain: Path, test: Path, out: Path, log: Path) -> None:
    """Ask a GGUF file the test rows over /v1/chat/completions, greedily, and write one prediction a line.

    Args:
        settings: slice with eval.max_new_tokens, eval.sampling and export.ladder_rows.
        gguf: the file to ask.
        toolchain: toolchain.json.
        test: data/test.jsonl.
        out: predictions file.
        log: what llama-server prints.
    """
    # the first rows: which row stands where depends on the row alone, so they are a sample of all
    rows = list(read_jsonl(test))[: settings.export.ladder_rows]
    longest = max(sum(len(get_text(turn)) for turn in get_prompt(row)) + len(get_reference(row) or "") for row in rows)
    context = 512 * math.ceil((longest / 2 + 512) / 512)  # two characters a token is the poor end for text
    with LlamaServer(read_json(toolchain), gguf, context=context, parallel=BATCH_PARALLEL, log=log) as server:
        questions = get_questions(test, server.tokenize, settings.eval.max_new_tokens, retention=False)[: len(rows)]
        progress = Progress("answer", len(questions))
        progress.update(0)
        guard, done = threading.Lock(), 0

        def count(index: int, answer: dict[str, Any]) -> None:
            nonlocal done
            with guard:
                done += 1
                progress.update(done)

        sampling = settings.eval.sampling
        drawn = {"temperature": sampling.temperature, "seed": sampling.seed}
        answers = server.generate_batch([question.messages for question in questions], questions[0].max_tokens, count, **drawn)
    predictions = []
    for question, answer in zip(questions, answers, strict=True):
        timings = answer["timings"]
        seconds = (timings.get("prompt_ms", 0.0) + timings.get("predicted_ms", 0.0)) / 1000
        tokens = answer["completion_tokens"]
        predictions.append(get_prediction(question, answer["text"], answer["finish_reason"] == "stop", tokens, seconds))
    write_jsonl(out, predictions)
