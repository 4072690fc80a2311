"""The base model with a better prompt answers the test rows, unless that takes too long; finished rows are kept."""

from __future__ import annotations

import json
from pathlib import Path

from gaslamp.config.methods import get_evaluation_options
from gaslamp.config.slices import Slice
from gaslamp.core.console import get_duration, say
from gaslamp.core.contracts import ModelFacts, Template
from gaslamp.core.files import read_jsonl, sha256_text, write_jsonl
from gaslamp.evaluate.baselines import can_score
from gaslamp.evaluate.choose_metrics import choose_metrics
from gaslamp.evaluate.decode import Sampling
from gaslamp.evaluate.generate import ModelRunner
from gaslamp.evaluate.known_answers import KnownAnswers
from gaslamp.evaluate.partial_results import PartialResults
from gaslamp.evaluate.prompted_rivals import SKIPPED, TITLES, make_prompts
from gaslamp.evaluate.prompts import get_row_prompts
from gaslamp.evaluate.training_rows import TrainingRows
from gaslamp.models.template import Renderer
from gaslamp.models.trained import load_evaluated


def evaluate_rival(
    settings: Slice, name: str, model: Path, base: Path, test: Path, train: Path, template: Path, out: Path
) -> None:
    """Write one prediction a line, each with the title of the rival; or one line that says why it was not run.

    Args:
        settings: slice with method, eval, train.rewards and train.options.
        name: few_shot or format.
        model, template: files of the earlier phases.
        base: predictions of the base model with the plain prompt.
        test, train: rows.
        out: predictions file.
    """
    facts, recorded, rows = ModelFacts.read(model), Template.read(template), list(read_jsonl(test))
    seconds = sum(float(line["seconds"]) for line in read_jsonl(base) if line["kind"] == "test")
    limit = 60 * settings.eval.baseline_minutes
    if not can_score(choose_metrics(settings, rows)[0]):
        _skip(out, name, "the deciding metric does not score answers")
        return
    if settings.eval.baselines == "auto" and seconds >= limit:
        reason = (
            f"the base model took {get_duration(seconds)} for the test rows; eval.baseline_minutes allows "
            f"{get_duration(limit)}, and eval.baselines: [{name}] has no limit"
        )
        _skip(out, name, reason)
        return
    renderer, training = Renderer.load(facts.path, recorded), TrainingRows.read(read_jsonl(train))
    plain = get_row_prompts(rows, renderer.tokenize, settings.eval.max_new_tokens, renderer.render)
    if not plain:
        _skip(out, name, "the test rows have no prompts")
        return
    prompts, title = make_prompts(
        name,
        plain,
        training,
        settings.eval.baseline_rows,
        facts.context,
        lambda messages, tools: len(renderer.encode_prompt(messages, tools)),
    )
    if not prompts:
        _skip(out, name, title)
        return
    wanted = [[prompt.id, prompt.messages, prompt.max_tokens, prompt.tools] for prompt in prompts]
    key = sha256_text(json.dumps([facts.sha256, recorded.sha256, wanted, settings.eval.sampling.dump()]))[:12]
    sampling = Sampling(**settings.eval.sampling.dump())
    with PartialResults(out, key) as results:
        waiting = [prompt for prompt in prompts if ("answer", prompt.id) not in results.known]
        answers = KnownAnswers(facts, recorded, sampling)
        for prediction in answers.take(waiting):
            results.add(("answer", prediction["id"]), {**prediction, "title": title})
        waiting = [prompt for prompt in waiting if ("answer", prompt.id) not in results.known]
        if waiting:
            runner = ModelRunner(
                load_evaluated(facts, None),
                renderer,
                recorded,
                sampling,
                settings.eval.batch_size,
                test.parent,
                Path(facts.path),
                get_evaluation_options(settings.method, settings.train.options),
            )
            for prediction in runner.answer(waiting, len(prompts) - len(waiting)):
                answers.keep(waiting, [prediction])
                results.add(("answer", prediction["id"]), {**prediction, "title": title})
        write_jsonl(out, results.merge(rows, prompts))


def _skip(out: Path, name: str, reason: str) -> None:
    say(f"{TITLES[name]} is not run: {reason}")
    write_jsonl(out, [{"id": SKIPPED, "kind": SKIPPED, "title": TITLES[name], "text": reason}])
