"""Which metrics a run uses, what they need of the model, and which of them can score the answers of a served file."""

from __future__ import annotations

from gaslamp.config.slices import Slice
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.rows import Row, get_kind
from gaslamp.evaluate.default_metrics import (
    combine_metrics,
    explain_answers,
    get_answer_metrics,
    get_text_questions,
    get_text_references,
)
from gaslamp.evaluate.metric import MODEL_OUTPUTS, Metric
from gaslamp.evaluate.predictions import Prediction

NeededOutputs = dict[str, dict[str, object]]


def choose_metrics(settings: Slice, rows: list[Row]) -> list[Metric]:
    """The metrics of a run, the deciding one first: eval.metrics, else chosen by method and rows.

    Args:
        settings: slice with method, eval.metrics, eval.options and train.rewards.
        rows: test rows.
    """
    if not rows:
        raise GaslampError("there are no test rows", "give data.split.test a larger share, or add rows")
    options = {name: dict(values) for name, values in settings.eval.options.items()}
    rewards = [reward.model_dump() for reward in settings.train.rewards]
    if rewards:
        options.setdefault("mean_reward", {}).setdefault("rewards", rewards)
    names = settings.eval.metrics or _get_defaults(settings, rows)
    return [Metric.get(name, options.get(name)) for name in names]


def _get_defaults(settings: Slice, rows: list[Row]) -> list[str]:
    module = registry.get("methods", settings.method)
    artefact = getattr(module, "ARTEFACT", "causal_lm")
    return combine_metrics(_get_named(settings), artefact, rows, bool(settings.train.rewards), _has_judge(settings))


def _get_named(settings: Slice) -> tuple[str, ...]:
    return tuple(getattr(registry.get("methods", settings.method), "DEFAULT_METRICS", ()))


def _has_judge(settings: Slice) -> bool:
    judge = settings.eval.options.get("llm_judge", {})
    return bool(judge.get("url") and judge.get("model"))


def explain_choice(settings: Slice, rows: list[Row], metric: Metric) -> str:
    """Why this metric decides, as a phrase."""
    if settings.eval.metrics:
        where = "eval.metrics in config.yaml names it first"
        return (
            where if settings.eval.metrics[0] == metric.name else "of eval.metrics the first that scores these answers"
        )
    if metric.name == "mean_reward":
        return "train.rewards is what the training maximizes"
    if metric.name in _get_named(settings):
        return f"the method {settings.method} is judged by it"
    if metric.module.__dict__.get("TOOL_CALLS"):
        return "the answers are tool calls: name and arguments must be right"
    references = get_text_references(rows)
    if references and get_answer_metrics(references, get_text_questions(rows), _has_judge(settings))[0] == metric.name:
        return explain_answers(references, get_text_questions(rows), _has_judge(settings))
    return f"it suits rows of the kind {get_kind(rows[0])}"


def get_needed_outputs(metrics: list[Metric]) -> NeededOutputs:
    """What must be computed with the model for these metrics: model output -> options that change what is computed.

    Raises:
        GaslampError: a metric needs an output that does not exist.
    """
    found: NeededOutputs = {"answer": {}}
    for metric in metrics:
        for need in metric.needs:
            if need not in MODEL_OUTPUTS:
                raise GaslampError(
                    f"{metric.module.__file__} needs '{need}'", f"NEEDS takes: {', '.join(MODEL_OUTPUTS)}"
                )
            keys = getattr(metric.module, "INPUT_OPTIONS", ())
            found.setdefault(need, {}).update({key: metric.options[key] for key in keys if key in metric.options})
    return {name: found[name] for name in MODEL_OUTPUTS if name in found}


def choose_served_metric(metrics: list[Metric], rows: list[Row], predictions: list[Prediction]) -> Metric:
    """Of ``choose_served_metrics`` the one that ranks files: the first share, else the first with a direction."""
    able = [
        metric
        for metric in choose_served_metrics([metric for metric in metrics if not metric.pairwise], rows, predictions)
        if metric.higher is not None
    ]
    return next((metric for metric in able if metric.unit == "share"), able[0])


def choose_served_metrics(metrics: list[Metric], rows: list[Row], predictions: list[Prediction]) -> list[Metric]:
    """The metrics that can score a served file, of which often only answers are known.

    Where none can (preferences are scored by likelihoods), the answers are compared with the good answers of the rows.

    Args:
        metrics: of the run.
        rows: test rows.
        predictions: of the file.

    Raises:
        GaslampError: the rows hold no good answer either.
    """
    available = {"answer"}
    if all({"likelihood", "scores", "retrieval"} & set(prediction) for prediction in predictions):
        available |= set(MODEL_OUTPUTS)
    able = [metric for metric in metrics if set(metric.needs) <= available]
    if any(metric.higher is not None for metric in able):
        return sorted(able, key=lambda metric: metric.higher is None)
    if references := get_text_references(rows):
        return [Metric.get(get_answer_metrics(references)[0]), *able]
    names = ", ".join(metric.name for metric in metrics)
    raise GaslampError(
        f"none of the metrics ({names}) can score the quantized files: only their answers are known",
        "add a metric of answers to eval.metrics in config.yaml, such as exact_match or chrf",
    )
