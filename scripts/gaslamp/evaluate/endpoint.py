"""The same prompts to a model behind an OpenAI-compatible endpoint: whatever serves the exported model."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from gaslamp.config.slices import Slice
from gaslamp.core.console import Progress
from gaslamp.core.contracts import ModelFacts, Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl, sha256_path, sha256_text, write_jsonl
from gaslamp.evaluate.eval_set import get_eval_prompts
from gaslamp.evaluate.partial_results import PartialResults
from gaslamp.evaluate.predictions import Prediction, make_prediction
from gaslamp.evaluate.prompts import EvalPrompt
from gaslamp.evaluate.tool_calls import read_calls
from gaslamp.models.template import Renderer
from gaslamp.models.thinking import split_answer

PARALLEL = 4


def get_client(url: str, key_env: str | None) -> Any:
    """A client of that server. Raises GaslampError when the variable with the key is not set."""
    from openai import OpenAI

    if key_env and not os.environ.get(key_env):
        raise GaslampError(
            f"the environment variable {key_env} is not set: it should hold the key for {url}",
            f"export {key_env}=... and run the same command",
        )
    return OpenAI(base_url=url, api_key=os.environ[key_env] if key_env else "none", timeout=600.0, max_retries=2)


def evaluate_endpoint(settings: Slice, model: Path, test: Path, template: Path, out: Path) -> None:
    """Send every test row and general question, four at a time, and write one prediction a line.

    Args:
        settings: slice with eval (endpoint, sampling, max_new_tokens, retention, retention_file).
        model, template: for the length limit, counted in the base model's tokens, and the stop words.
        test: data/test.jsonl.
        out: predictions; rows that were answered before a kill are kept next to it.

    Raises:
        GaslampError: no such server, no such model there, or an answer without text.
    """
    from openai import OpenAIError

    place, sampling = settings.eval.endpoint, settings.eval.sampling
    recorded = Template.read(template)
    renderer = Renderer.load(ModelFacts.read(model).path, recorded)
    own = Path(settings.eval.retention_file) if settings.eval.retention_file else None
    questions = get_eval_prompts(
        test, renderer.tokenize, settings.eval.max_new_tokens, settings.eval.retention, own, renderer.render
    )
    client = get_client(place.url, place.key_env)

    def ask(question: EvalPrompt) -> Prediction:
        started = time.monotonic()
        reply = client.chat.completions.create(
            model=place.model,
            messages=question.messages,
            max_tokens=question.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed,
            stop=recorded.stop_tokens[:4],
            **({"tools": question.tools} if question.tools else {}),
        )
        choice = reply.choices[0]
        tokens = reply.usage.completion_tokens if reply.usage else len(renderer.tokenize(choice.message.content or ""))
        # some servers leave thoughts in the content, some give them apart
        thought, text = split_answer(choice.message.content or "", renderer.borders)
        return make_prediction(
            question,
            text,
            choice.finish_reason in ("stop", "tool_calls"),
            tokens,
            time.monotonic() - started,
            calls=read_calls({"tool_calls": [call.model_dump() for call in choice.message.tool_calls or []]}),
            thought=thought or getattr(choice.message, "reasoning_content", None) or "",
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
        except OpenAIError as error:
            raise GaslampError(
                f"{place.url} did not answer as {place.model}: {str(error)[:300]}",
                "start the server (make deploy serves the exported model), and check eval.endpoint in config.yaml",
                "the answers that came are kept: run the same command",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
        write_jsonl(out, finished.merge(list(read_jsonl(test)), questions))
