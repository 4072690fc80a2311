"""Which metrics a run uses, what they need of the model, and which of them can score the answers of a served file."""

from __future__ import annotations

from collections import Counter

from gaslamp.config.slices import Slice
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.rows import Row, get_images, get_kind, get_prompt, get_reference
from gaslamp.evaluate.metric import MODEL_OUTPUTS, Metric
from gaslamp.evaluate.predictions import Prediction
from gaslamp.evaluate.tool_calls import get_reference_calls

NeededOutputs = dict[str, dict[str, object]]
SHORT_ANSWER_WORDS = 5
MAX_CLASSES = 20


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
    names = settings.eval.metrics or _get_defaults(settings.method, rows, bool(rewards))
    return [Metric.get(name, options.get(name)) for name in names]


def _get_defaults(method: str, rows: list[Row], rewarded: bool) -> list[str]:
    """The method's DEFAULT_METRICS, the first of which decides; where there are none, or with rewards,
    also what fits the rows.
    """
    module = registry.get("methods", method)
    named = [name for name in getattr(module, "DEFAULT_METRICS", ()) if name in registry.names("metrics")]
    if rewarded and "mean_reward" not in named:
        named = ["mean_reward", *named]
    names = list(dict.fromkeys([*named, *(get_default_metrics(rows) if rewarded or not named else ())]))
    if not rewarded:
        names = [name for name in names if name != "mean_reward"]
    if getattr(module, "ARTEFACT", "causal_lm") != "causal_lm":
        names = [name for name in names if name != "length"]  # such a model answers nothing
    return sorted(names, key=lambda name: name == "length")  # it decides nothing: last


def get_default_metrics(rows: list[Row]) -> list[str]:
    """Metrics by the kind of the rows and by their reference answers; names, the deciding one first."""
    kind = get_kind(rows[0])
    if kind == "text":
        return ["perplexity"]
    if kind == "preference":
        return ["preference_accuracy", "preference_margin", "length"]
    if kind == "rating":
        return ["preference_margin", "length"]
    if kind == "pair":
        return ["retrieval", "mean_reciprocal_rank"]
    references = get_text_references(rows)
    calls = sum(bool(get_reference_calls(row)) for row in rows)
    if calls:
        answers = get_answer_metrics(references) if references else []
        found = ["tool_call", "tool_call_parts"]
        return found + answers if calls >= len(references) else answers + found
    if not references:
        return ["mean_reward", "length"]
    if any(get_images(get_prompt(row)) for row in rows):
        return ["exact_match", "character_error_rate", "word_error_rate"]
    return get_answer_metrics(references)


def get_text_references(rows: list[Row]) -> list[str]:
    """The reference answers that are text: tool calls are left out."""
    return [text for row in rows if (text := get_reference(row)) is not None and not get_reference_calls(row)]


def get_answer_metrics(references: list[str]) -> list[str]:
    """Metrics by the reference answers: JSON, a few classes, numbers, short, long; names, the deciding one first."""
    json_match = registry.get("metrics", "json_match")
    if all(reference.strip()[:1] in ("{", "[") and json_match.score(reference, reference) for reference in references):
        return ["json_match", "json_fields", "exact_match"]
    classes = Counter(reference.strip() for reference in references)
    if len(references) >= 20 and 2 <= len(classes) <= min(MAX_CLASSES, len(references) // 5):
        return ["classification", "normalized_match"]
    if all(_is_number(reference) for reference in references):
        return ["numeric", "exact_match"]
    if sorted(len(reference.split()) for reference in references)[len(references) // 2] <= SHORT_ANSWER_WORDS:
        return ["exact_match", "normalized_match", "token_f1"]
    return ["token_f1", "chrf", "exact_match"]


def _is_number(text: str) -> bool:
    text = text.rsplit("####", 1)[-1].strip().replace(",", "").rstrip("%").lstrip("$€£")
    try:
        float(text)
    except ValueError:
        return False
    return True


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
