"""Public tasks through lm-evaluation-harness (extra lm-eval): what the model could before, and what it still can."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist
from typing import Any

from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.contracts import ModelFacts, Score, Template
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, write_json
from gaslamp.core.packages import require_package
from gaslamp.evaluate.stats import get_wilson
from gaslamp.models.template import Renderer
from gaslamp.models.trained import load_evaluated

BATCH = 8


def run_harness(
    settings: Slice, model: Path, adapters: Path | None, template: Path, out: Path, tasks: Path
) -> JsonObject:
    """Run the tasks and write ``scores``: ``task, metric`` -> value with its interval.

    Args:
        settings: slice with method, eval.lm_eval, eval.lm_eval_limit and eval.confidence.
        model, adapters, template: what is evaluated, and how chat prompts are rendered.
        out: JSON file to write.
        tasks: folder with task files of the project; its names win.

    Raises:
        GaslampError: the extra is not installed, a task is not known, its data cannot be had, or it gives no share.
    """
    require_package("lm_eval", "eval.lm_eval", "lm-eval")
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    # reading the thousands of tasks that the harness brings takes half a minute: only when one of them is wanted
    manager: Any = TaskManager(include_path=str(tasks), include_defaults=False) if tasks.is_dir() else None
    if manager is None or any(name not in manager.all_tasks for name in settings.eval.lm_eval):
        manager = TaskManager(include_path=str(tasks) if tasks.is_dir() else None)
    unknown = [name for name in settings.eval.lm_eval if name not in manager.all_tasks]
    if unknown:
        raise GaslampError(
            f"lm-evaluation-harness knows no task {', '.join(unknown)}",
            "correct eval.lm_eval in config.yaml, or put the task's YAML file into tasks/",
        )
    facts = ModelFacts.read(model)
    renderer = Renderer.load(facts.path, Template.read(template))
    renderer.tokenizer.chat_template = renderer.chat_template
    net = load_evaluated(facts, adapters)
    say(f"{', '.join(settings.eval.lm_eval)}: running")
    try:
        found = simple_evaluate(
            model=HFLM(pretrained=net, tokenizer=renderer.tokenizer, batch_size=BATCH, device="cpu"),
            tasks=settings.eval.lm_eval,
            task_manager=manager,
            limit=settings.eval.lm_eval_limit,
            log_samples=False,
            bootstrap_iters=1000,
        )
    except (ConnectionError, FileNotFoundError, OSError) as error:
        raise GaslampError(
            f"the data of a task cannot be had: {str(error)[:300]}",
            "connect to the network once: the harness keeps what it downloads",
            "without a network: a task file in tasks/ with its data in the same folder (dataset_path: json)",
        ) from error
    scores = get_scores(found, settings.eval.confidence)
    if not scores:
        raise GaslampError(
            f"none of the tasks ({', '.join(settings.eval.lm_eval)}) gives a score between 0 and 1",
            "take tasks that report acc or exact_match",
        )
    for name, score in scores.items():
        say(f"{name}: {score.value:.1%} (n = {score.n})")
    result = {"schema_version": 1, "scores": {name: score.model_dump() for name, score in scores.items()}}
    write_json(out, result)
    return result


def get_scores(found: JsonObject, confidence: float) -> dict[str, Score]:
    """The shares among the harness's results;
    perplexities and the like are not comparable with a limit on forgetting.
    """
    scores = {}
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    for task, values in found["results"].items():
        for name, value in values.items():
            metric = name.split(",")[0]
            if (
                "_stderr" in name
                or metric not in ("acc", "acc_norm", "exact_match", "f1", "mcc", "em")
                or not isinstance(value, float)
            ):
                continue
            error = values.get(name.replace(metric, f"{metric}_stderr", 1))
            half = z * error if isinstance(error, float) else 0.0
            count = found["n-samples"][task]["effective"]
            # right or wrong: the harness's error is 0 where all are right, which four questions do not prove
            low, high = (
                (value - half, value + half) if metric in ("f1", "mcc") else get_wilson(value, count, confidence)
            )
            scores[f"{task}, {metric}"] = Score(
                value=round(value, 6), low=round(max(0.0, low), 6), high=round(min(1.0, high), 6), n=count
            )
    return scores
