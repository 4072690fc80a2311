"""The same questions through llama-server, as a user of the shipped file would ask them."""

from __future__ import annotations

import json
import math
import threading
from itertools import groupby
from pathlib import Path
from typing import Any

from gaslamp.core.console import Progress
from gaslamp.core.files import read_json, read_jsonl, sha256_path, sha256_text, write_jsonl
from gaslamp.data.images import to_served
from gaslamp.data.rows import Message, get_calls, get_images, get_prompt, get_reference, get_text
from gaslamp.evaluate.eval_set import get_eval_prompts
from gaslamp.evaluate.partial_results import PartialResults
from gaslamp.evaluate.predictions import make_prediction
from gaslamp.evaluate.tool_calls import learn_call_syntax
from gaslamp.export.llamacpp.server import BATCH_PARALLEL, LlamaServer
from gaslamp.train.method import get_artefact, get_evaluation_options

IMAGE_TOKENS = 3072
"""Room for one picture: no model of today makes more of one that its own processor has sized (Idefics3: 2,900)."""


def evaluate_gguf(
    settings: Any,
    gguf: Path,
    toolchain: Path,
    test: Path,
    out: Path,
    log: Path,
    known: Path | None = None,
    beside: Path | None = None,
) -> None:
    """Ask a GGUF file the test rows over /v1/chat/completions, several at a time, and write one prediction a line.

    A file of an encoder or a reward model answers nothing: it is asked for vectors (``gaslamp.export.vectors``).

    Args:
        settings: slice with method, train (options, max_length), eval (max_new_tokens, sampling; with ``known`` also retention,
            retention_file) and export.ladder_rows.
        gguf: the file to ask.
        toolchain: toolchain.json.
        test: data/test.jsonl.
        out: predictions file; answers of a killed run are kept beside it and not asked again.
        log: what llama-server prints.
        known: answers that this file gave to the ladder's rows. With them all rows and the general questions are asked, as of
            every other ``eval.target``; without, the first ``export.ladder_rows``.
        beside: what the file needs to be asked: the eyes of a model that sees, the head of a reward model.
    """
    if get_artefact(settings.method) != "causal_lm":
        from gaslamp.export.vectors import measure_gguf

        measure_gguf(settings, gguf, read_json(toolchain), test, out, log, beside)
        return
    # the first rows: which row stands where depends on the row alone, so they are a sample of all
    rows = list(read_jsonl(test))[: None if known else settings.export.ladder_rows]
    longest = max(sum(len(get_text(turn)) for turn in get_prompt(row)) + len(get_reference(row) or "") for row in rows)
    pictures = max(len(get_images(get_prompt(row))) for row in rows)
    context = 512 * math.ceil(
        (longest / 2 + 512 + IMAGE_TOKENS * pictures) / 512
    )  # two characters a token is the poor end for text
    sizes = get_evaluation_options(settings.method, settings.train.options)
    sampling = settings.eval.sampling
    drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed}
    state = gguf.stat()
    key = sha256_text(
        f"{state.st_size} {state.st_mtime_ns} {sha256_path(test)} {drawn} {settings.eval.max_new_tokens} {bool(known)} {sizes}"
    )[:12]
    options: dict[str, Any] = {"context": context, "parallel": BATCH_PARALLEL, "mmproj": beside}
    with PartialResults(out, key) as finished, LlamaServer(read_json(toolchain), gguf, **options, log=log) as server:
        own = Path(settings.eval.retention_file) if known and settings.eval.retention_file else None

        def render(messages: list[Message], generate: bool, tools: list[dict[str, Any]] | None) -> str:
            return server.apply_template([_write_arguments(message) for message in messages], tools, generate)

        questions = get_eval_prompts(
            test, server.tokenize, settings.eval.max_new_tokens, bool(known and settings.eval.retention), own, render
        )
        syntax = learn_call_syntax(render) if any(question.tools for question in questions) else None
        questions = questions if known else questions[: len(rows)]
        for prediction in read_jsonl(known) if known else ():
            finished.known["answer", prediction["id"]] = prediction
        waiting = [question for question in questions if ("answer", question.id) not in finished.known]
        progress, guard = Progress("answer", len(questions)), threading.Lock()
        progress.update(len(questions) - len(waiting))
        for limit, group in groupby(waiting, lambda question: question.max_tokens):
            asked = list(group)

            def note(index: int, answer: dict[str, Any], asked: list[Any] = asked) -> None:
                timings = answer["timings"]
                seconds = (timings.get("prompt_ms", 0.0) + timings.get("predicted_ms", 0.0)) / 1000
                stopped, text = answer["finish_reason"] == "stop", answer["text"]
                calls = syntax.parse(text, asked[index].tools) if syntax and asked[index].tools else None
                prediction = make_prediction(
                    asked[index], text, stopped, answer["completion_tokens"], seconds, calls=calls
                )
                with guard:
                    finished.add(("answer", asked[index].id), prediction)
                    progress.update(sum(("answer", question.id) in finished.known for question in questions))

            tools = [question.tools for question in asked]
            talks = [
                to_served(question.messages, test.parent, **sizes) if pictures else question.messages
                for question in asked
            ]
            server.generate_batch(talks, limit, note, tools=tools if any(tools) else None, **drawn)
        write_jsonl(out, finished.merge(rows, questions))


def _write_arguments(message: Message) -> Message:
    """A message whose tool calls have their arguments as JSON text, as the server's API wants them."""
    if not message.get("tool_calls"):
        return message
    calls = [
        {**old, "type": "function", "function": {**call, "arguments": json.dumps(arguments, ensure_ascii=False)}}
        if not isinstance(arguments := call["arguments"], str)
        else old
        for old, call in zip(message["tool_calls"], get_calls(message), strict=True)
    ]
    return {**message, "tool_calls": calls}
