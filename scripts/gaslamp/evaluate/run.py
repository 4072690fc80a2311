"""Everything that the metrics need of one model: answers, and how likely it finds given texts.

Finished rows survive a kill.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from gaslamp.config.methods import get_evaluation_options
from gaslamp.config.slices import Slice
from gaslamp.core import registry
from gaslamp.core.contracts import ModelFacts, Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl, sha256_path, sha256_text, write_jsonl
from gaslamp.evaluate.choose_metrics import choose_metrics, get_needed_outputs
from gaslamp.evaluate.decode import Sampling
from gaslamp.evaluate.generate import ModelRunner
from gaslamp.evaluate.known_answers import KnownAnswers
from gaslamp.evaluate.partial_results import PartialResults
from gaslamp.evaluate.prompts import EvalPrompt, get_row_prompts
from gaslamp.evaluate.retention import get_retention_prompts, read_retention
from gaslamp.evaluate.retrieval import embed, rank
from gaslamp.evaluate.scored_texts import get_texts
from gaslamp.models.template import Renderer
from gaslamp.models.trained import load_evaluated


def evaluate_model(
    settings: Slice,
    model: Path,
    adapters: Path | None,
    test: Path,
    template: Path,
    out: Path,
    rows_only: bool = False,
) -> None:
    """Evaluate base (no adapter) or tuned on the test rows and write one prediction a line.

    Args:
        settings: slice with method, train.rewards, train.options, for an encoder train.max_length, and of eval:
            metrics, options, max_new_tokens, sampling, batch_size, retention, retention_file.
        model, test, template: files of the earlier phases.
        adapters: what training wrote, or ``None``.
        rows_only: leave the general questions out: only the rows choose a point of a sweep.
        out: predictions file. Finished rows of a killed run are kept next to it and not generated again.

    Raises:
        GaslampError: the chat template was changed by hand, or a model, row or metric that cannot be evaluated.
    """
    facts, recorded = ModelFacts.read(model), Template.read(template)
    if sha256_text(recorded.chat_template) != recorded.sha256:
        raise GaslampError(
            f"the chat template in {template} is not the one that was recorded: evaluation and training would differ",
            f"delete {template} and run the same command: the data phase writes it again",
        )
    rows, artefact = list(read_jsonl(test)), getattr(registry.get("methods", settings.method), "ARTEFACT", "causal_lm")
    needed = get_needed_outputs(choose_metrics(settings, rows))
    renderer = Renderer.load(facts.path, recorded)
    retention = settings.eval.retention and not rows_only
    own = Path(settings.eval.retention_file) if settings.eval.retention_file else None
    prompts: list[EvalPrompt] = []
    if artefact == "causal_lm" and "answer" in needed:
        prompts = get_row_prompts(rows, renderer.tokenize, settings.eval.max_new_tokens, renderer.render)
        # rows of running text have no prompts, but forgetting is measured all the same
        prompts += get_retention_prompts(own) if retention else []
    sizes = get_evaluation_options(settings.method, settings.train.options)
    texts = get_texts(rows, needed, renderer, recorded, facts.context, artefact)
    key = sha256_text(
        json.dumps(
            [
                facts.sha256,
                recorded.sha256,
                sha256_path(test),
                settings.eval.max_new_tokens,
                sha256_path(adapters) if adapters else None,
                needed,
                settings.eval.sampling.dump(),
                retention,
                read_retention(own) if retention else None,
                sizes,
                settings.train.max_length if artefact == "encoder" else None,
            ]
        )
    )[:12]
    sampling = Sampling(**settings.eval.sampling.dump())
    with PartialResults(out, key) as results:
        waiting = [prompt for prompt in prompts if ("answer", prompt.id) not in results.known]
        answers = None if adapters else KnownAnswers(facts, recorded, sampling)
        for prediction in answers.take(waiting) if answers else ():
            results.add(("answer", prediction["id"]), prediction)
        waiting = [prompt for prompt in waiting if ("answer", prompt.id) not in results.known]
        unscored = [text for text in texts if text.key not in results.known]
        ranked = "retrieval" in needed and artefact == "encoder"
        if waiting or unscored or ranked:
            net = load_evaluated(facts, adapters, artefact)
            runner = ModelRunner(
                net,
                renderer,
                recorded,
                sampling,
                settings.eval.batch_size,
                test.parent,
                Path(facts.path),
                sizes,
            )
            for prediction in runner.answer(waiting, len(prompts) - len(waiting)):
                results.add(("answer", prediction["id"]), prediction)
                if answers:
                    answers.keep(waiting, [prediction])
            for text, value in runner.score_texts(unscored, artefact):
                results.add(text.key, value)
            if ranked:
                pooling = settings.train.options.get("pooling", "mean")
                encode = partial(embed, net, renderer.tokenizer, pooling=pooling, max_length=settings.train.max_length)
                for row_id, found in rank(rows, encode):
                    results.add(("retrieval", row_id), found)
        write_jsonl(out, results.merge(rows, prompts))
