"""Evaluate a GGUF file on the test rows through llama-server, as a user of the shipped file prompts it."""

from __future__ import annotations

import json
import math
import threading
from itertools import groupby
from pathlib import Path
from typing import Any

from gaslamp.config.methods import get_artefact, get_evaluation_options
from gaslamp.config.slices import Slice
from gaslamp.core.console import Progress, say
from gaslamp.core.files import read_json, read_jsonl, sha256_path, sha256_text, write_jsonl
from gaslamp.data.images import to_served
from gaslamp.data.rows import Message, Row, get_calls, get_images, get_prompt, get_reference, get_text
from gaslamp.evaluate.eval_set import get_eval_prompts
from gaslamp.evaluate.partial_results import PartialResults
from gaslamp.evaluate.predictions import make_prediction
from gaslamp.evaluate.prompts import EvalPrompt
from gaslamp.evaluate.tool_calls import learn_call_syntax
from gaslamp.export.evaluate_vectors import evaluate_vectors
from gaslamp.export.llamacpp.client import Answer
from gaslamp.export.llamacpp.server import BATCH_PARALLEL, LlamaServer
from gaslamp.models.thinking import Borders, split_answer

IMAGE_TOKENS = 3072
"""Tokens for one image: no model of today makes more of one that its own processor resized (Idefics3: 2,900)."""


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
        settings: slice with method, train (options, max_length), eval (max_new_tokens, sampling; with
            ``ladder_answers`` also retention, retention_file) and export.ladder_rows.
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

        def render(messages: list[Message], generate: bool, tools: list[dict[str, Any]] | None) -> str:
            return server.apply_template([_write_arguments(message) for message in messages], tools, generate)

        is_whole = bool(ladder_answers)
        own = Path(settings.eval.retention_file) if is_whole and settings.eval.retention_file else None
        prompts = get_eval_prompts(
            test,
            server.tokenize,
            settings.eval.max_new_tokens,
            bool(is_whole and settings.eval.retention),
            own,
            render,
        )
        syntax = learn_call_syntax(render) if any(prompt.tools for prompt in prompts) else None
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
                stopped, text = answer["finish_reason"] == "stop", answer["text"]
                calls = syntax.parse(text, batch[index].tools) if syntax and batch[index].tools else None
                thought, text = split_answer(text, Borders())  # where the server left them in
                prediction = make_prediction(
                    batch[index], text, stopped, answer["completion_tokens"], seconds, calls=calls, thought=thought
                )
                if "unread" in answer:
                    prediction["unread"] = answer["unread"]
                    prediction["ids"] = answer["raw"][:-1] if stopped else answer["raw"]
                with guard:
                    results.add(("answer", batch[index].id), prediction)
                    progress.update(sum(("answer", prompt.id) in results.known for prompt in prompts))

            tools = [prompt.tools for prompt in batch]
            conversations = [
                to_served(prompt.messages, test.parent, **sizes) if has_images else prompt.messages for prompt in batch
            ]
            server.generate_batch(conversations, limit, record, tools=tools if any(tools) else None, **generation)
        predictions = results.merge(rows, prompts)
    if unread := [row["id"] for row in predictions if "unread" in row]:
        say(
            f"{len(unread)} answers do not keep to the format of this model: the server gives an error instead, and "
            f"they count as empty ({', '.join(unread[:5])}; what the model wrote is `unread` in {out})"
        )
    write_jsonl(out, predictions)


def get_context(rows: list[Row]) -> int:
    """Tokens of a conversation that hold the longest of these rows with its answer."""
    longest = max(sum(len(get_text(turn)) for turn in get_prompt(row)) + len(get_reference(row) or "") for row in rows)
    images = max(len(get_images(get_prompt(row))) for row in rows)
    # two characters a token is the worst case of text
    return 512 * math.ceil((longest / 2 + 512 + IMAGE_TOKENS * images) / 512)


def _write_arguments(message: Message) -> Message:
    """A message whose tool calls have their arguments as JSON text, as the server's API requires."""
    if not message.get("tool_calls"):
        return message
    calls = [
        {**old, "type": "function", "function": {**call, "arguments": json.dumps(arguments, ensure_ascii=False)}}
        if not isinstance(arguments := call["arguments"], str)
        else old
        for old, call in zip(message["tool_calls"], get_calls(message), strict=True)
    ]
    return {**message, "tool_calls": calls}
