"""Evaluate a GGUF file on the test rows through llama-server, as a user of the shipped file prompts it."""

from __future__ import annotations

import math
import threading
from itertools import groupby
from pathlib import Path

from gaslamp.config.methods import get_artefact, get_evaluation_options
from gaslamp.config.slices import Slice
from gaslamp.core.console import Progress
from gaslamp.core.files import read_json, read_jsonl, sha256_path, sha256_text, write_jsonl
from gaslamp.data.images import to_served
from gaslamp.data.rows import Row, get_images, get_prompt, get_reference, get_text
from gaslamp.evaluate.eval_set import get_eval_prompts
from gaslamp.evaluate.partial_results import PartialResults
from gaslamp.evaluate.predictions import make_prediction
from gaslamp.evaluate.prompts import EvalPrompt
from gaslamp.export.evaluate_vectors import evaluate_vectors
from gaslamp.export.llamacpp.client import Answer
from gaslamp.export.llamacpp.server import BATCH_PARALLEL, LlamaServer

IMAGE_TOKENS = 3072
"""Room for one image: no model of today makes more tokens of one that its own processor has resized (Idefics3: 2,900)."""


def evaluate_gguf(
    settings: Slice,
    gguf: Path,
    toolchain: Path,
    test: Path,
    out: Path,
    log: Path,
    ladder_answers: Path | None = None,
    companion: Path | None = None,
) -> None:
    """Prompt a GGUF file over /v1/chat/completions, several rows at a time, and write one prediction a line.

    A file of an encoder or a reward model returns vectors instead (``gaslamp.export.evaluate_vectors``).

    Args:
        settings: slice with method, train (options, max_length), eval (max_new_tokens, sampling; with ``ladder_answers``
            also retention, retention_file) and export.ladder_rows.
        gguf: the file.
        toolchain: toolchain.json.
        test: data/test.jsonl.
        out: predictions file; answers of a killed run are kept next to it and reused.
        log: receives what llama-server prints.
        ladder_answers: predictions of this file on the rows of the ladder. With them all test rows and the retention
            questions are answered, as for every other ``eval.target``; without, the first ``export.ladder_rows``.
        companion: second file that the GGUF file needs: mmproj of a vision model, head.json of a reward model.
    """
    if get_artefact(settings.method) != "causal_lm":
        evaluate_vectors(settings, gguf, read_json(toolchain), test, out, log, companion)
        return
    # the split does not depend on the order of the rows, so the first ones are a sample of all
    rows = list(read_jsonl(test))[: None if ladder_answers else settings.export.ladder_rows]
    has_images = any(get_images(get_prompt(row)) for row in rows)
    sizes = get_evaluation_options(settings.method, settings.train.options)
    sampling = settings.eval.sampling
    generation = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed}
    state = gguf.stat()
    key = sha256_text(
        f"{state.st_size} {state.st_mtime_ns} {sha256_path(test)} {generation} {settings.eval.max_new_tokens}"
        f" {bool(ladder_answers)} {sizes}"
    )[:12]
    server = LlamaServer(
        read_json(toolchain), gguf, context=get_context(rows), parallel=BATCH_PARALLEL, mmproj=companion, log=log
    )
    with PartialResults(out, key) as results, server:
        prompts = _get_prompts(settings, test, server, bool(ladder_answers))
        prompts = prompts if ladder_answers else prompts[: len(rows)]
        for prediction in read_jsonl(ladder_answers) if ladder_answers else ():
            results.known["answer", prediction["id"]] = prediction
        waiting = [prompt for prompt in prompts if ("answer", prompt.id) not in results.known]
        progress, guard = Progress("answer", len(prompts)), threading.Lock()
        progress.update(len(prompts) - len(waiting))
        for limit, group in groupby(waiting, lambda prompt: prompt.max_tokens):
            batch = list(group)

            def record(index: int, answer: Answer, batch: list[EvalPrompt] = batch) -> None:
                timings = answer["timings"]
                seconds = (timings.get("prompt_ms", 0.0) + timings.get("predicted_ms", 0.0)) / 1000
                stopped = answer["finish_reason"] == "stop"
                with guard:
                    results.add(
                        ("answer", batch[index].id),
                        make_prediction(batch[index], answer["text"], stopped, answer["completion_tokens"], seconds),
                    )
                    progress.update(sum(("answer", prompt.id) in results.known for prompt in prompts))

            tools = [prompt.tools for prompt in batch]
            conversations = [
                to_served(prompt.messages, test.parent, **sizes) if has_images else prompt.messages for prompt in batch
            ]
            server.generate_batch(conversations, limit, record, tools=tools if any(tools) else None, **generation)
        write_jsonl(out, results.merge(rows, prompts))


def get_context(rows: list[Row]) -> int:
    """Tokens of a conversation that hold the longest of these rows with its answer."""
    longest = max(sum(len(get_text(turn)) for turn in get_prompt(row)) + len(get_reference(row) or "") for row in rows)
    images = max(len(get_images(get_prompt(row))) for row in rows)
    # two characters a token is the worst case of text
    return 512 * math.ceil((longest / 2 + 512 + IMAGE_TOKENS * images) / 512)


def _get_prompts(settings: Slice, test: Path, server: LlamaServer, whole: bool) -> list[EvalPrompt]:
    """The prompts of the test rows; of a ``whole`` evaluation with the retention questions."""
    own = Path(settings.eval.retention_file) if whole and settings.eval.retention_file else None
    retention = bool(whole and settings.eval.retention)
    return get_eval_prompts(test, server.tokenize, settings.eval.max_new_tokens, retention, own)
