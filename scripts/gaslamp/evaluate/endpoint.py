"""The same prompts to a model behind an OpenAI-compatible endpoint: whatever serves the exported model."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.console import Progress
from gaslamp.core.contracts import ModelFacts, Template
from gaslamp.core.files import read_jsonl, sha256_path, sha256_text, write_jsonl
from gaslamp.evaluate.eval_set import get_eval_prompts
from gaslamp.evaluate.partial_results import PartialResults
from gaslamp.evaluate.predictions import Prediction, make_prediction
from gaslamp.evaluate.prompts import EvalPrompt
from gaslamp.evaluate.tool_calls import read_calls
from gaslamp.models.endpoint import EndpointClient
from gaslamp.models.template import Renderer
from gaslamp.models.thinking import split_answer

PARALLEL = 4


def evaluate_endpoint(settings: Slice, model: Path, test: Path, template: Path, out: Path) -> None:
    """Send every test row and general question, four at a time, and write one prediction a line.

    Args:
        settings: slice with eval (endpoint, sampling, max_new_tokens, retention, retention_file).
        model, template: for the length limit, counted in the base model's tokens, and the stop words.
        test: data/test.jsonl.
        out: predictions; rows that were answered before a kill are kept next to it.

    Raises:
        GaslampError: no such server, or no such model there.
    """
    place, sampling = settings.eval.endpoint, settings.eval.sampling
    recorded = Template.read(template)
    renderer = Renderer.load(ModelFacts.read(model).path, recorded)
    own = Path(settings.eval.retention_file) if settings.eval.retention_file else None
    questions = get_eval_prompts(
        test, renderer.tokenize, settings.eval.max_new_tokens, settings.eval.retention, own, renderer.render
    )
    client = EndpointClient(
        place.url,
        place.model,
        place.key_env,
        place="eval.endpoint",
        kept="the answers that came are kept: run the same command",
    )

    def ask(question: EvalPrompt) -> Prediction:
        started = time.monotonic()
        reply = client.ask(
            question.messages,
            max_tokens=question.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed,
            stop=recorded.stop_tokens[:4],
            **({"tools": question.tools} if question.tools else {}),
        )
        # some servers leave thoughts in the content, some give them apart
        thought, text = split_answer(reply.text, renderer.borders)
        return make_prediction(
            question,
            text,
            reply.finish in ("stop", "tool_calls"),
            len(renderer.tokenize(reply.text)) if reply.completion_tokens is None else reply.completion_tokens,
            time.monotonic() - started,
            calls=read_calls({"tool_calls": reply.calls}),
            thought=thought or reply.thoughts,
        )

    key = sha256_text(
        f"{place.dump()}{sampling.dump()}{sha256_path(test)}{settings.eval.max_new_tokens}"
        f"{[question.id for question in questions]}"
    )[:12]
    with PartialResults(out, key) as finished:
        waiting = [question for question in questions if ("answer", question.id) not in finished.known]
        progress = Progress("answer", len(questions))
        progress.update(len(questions) - len(waiting))
        pool = ThreadPoolExecutor(PARALLEL)
        try:
            for done, future in enumerate(
                as_completed([pool.submit(ask, question) for question in waiting]), len(questions) - len(waiting) + 1
            ):
                prediction = future.result()
                finished.add(("answer", prediction["id"]), prediction)
                progress.update(done)
        finally:
            pool.shutdown(cancel_futures=True)
        write_jsonl(out, finished.merge(list(read_jsonl(test)), questions))
