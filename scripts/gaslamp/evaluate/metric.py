"""What a metric plug-in may be, which ones a run uses, and how every phase asks them: one call, whatever the kind of rows.

The smallest plug-in has ``TITLE``, ``BINARY`` and ``score(answer, reference)``. What else a file may say:

    NEEDS       what must be asked of the model for a row, names of MEASURES; default ("answer",)
    HIGHER      True (default): more is better; False: less is better; None: neither, it only tells
    UNIT        share (default), number, points, seconds, tokens, nats: how a value is shown
    REFERENCE   False: rows without a reference answer are scored too
    score       may also take ``row`` and ``prediction`` by name, and its options: any further keyword with a default, set in
                eval.options. It returns a float, or None for a row that it cannot judge
    score_set(rows, predictions, **options) -> [float]: instead of score, when all rows are judged at once
    score_pairs(rows, base, tuned, **options) -> [(base, tuned)]: instead of score, when the two are judged against each other
    weigh(prediction) -> float: how much a row counts (default 1); finish(mean) -> float: the figure that is shown
    report(rows, predictions, values) -> dict: further figures of one model, such as a confusion matrix
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.rows import get_images, get_kind, get_prompt, get_reference

MEASURES = ("answer", "reference", "choices", "preference", "retrieval")
"""What a model can be asked for a row: an answer; how likely the reference (or running text) is; how likely each of some
choices is; how it rates chosen and rejected; how it ranks the right text among all of the test set."""

FORMS = ("score_pairs", "score_set", "score")
SHORT_ANSWER_WORDS = 5
MAX_CLASSES = 20
Row = dict[str, Any]
Prediction = dict[str, Any]


@dataclass(frozen=True)
class Metric:
    """One plug-in with its options."""

    name: str
    module: ModuleType
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def get(cls, name: str, options: dict[str, Any] | None = None) -> Metric:
        """The metric of that name. Raises GaslampError for an unknown name, a file that is no metric, or an unknown option."""
        module = registry.get("metrics", name)
        function = next((found for form in FORMS if (found := getattr(module, form, None))), None)
        if (
            function is None
            or not getattr(module, "TITLE", "")
            or not isinstance(getattr(module, "BINARY", None), bool)
        ):
            raise GaslampError(
                f"{module.__file__} is no metric: it needs TITLE, BINARY and score(answer, reference)",
                "see docs/extend.md, a metric",
            )
        known = [
            key
            for key, value in inspect.signature(function).parameters.items()
            if value.default is not inspect.Parameter.empty
        ]
        known = [key for key in known if key not in ("row", "prediction")]
        unknown = sorted(set(options or {}) - set(known))
        if unknown:
            raise GaslampError(
                f"the metric {name} has no option {', '.join(unknown)}",
                f"eval.options.{name} in config.yaml takes: {', '.join(known) or 'nothing'}",
            )
        return cls(name, module, dict(options or {}))

    @property
    def title(self) -> str:
        """As pages show it."""
        return str(self.module.TITLE)

    @property
    def about(self) -> str:
        """What it measures, in a sentence or two: the first paragraph of the file."""
        return " ".join((self.module.__doc__ or "").strip().split("\n\n")[0].split())

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of MEASURES."""
        return tuple(getattr(self.module, "NEEDS", ("answer",)))

    @property
    def higher(self) -> bool | None:
        """Whether more is better; ``None``: neither."""
        value: bool | None = getattr(self.module, "HIGHER", True)
        return value

    @property
    def unit(self) -> str:
        """How a value is shown."""
        return str(getattr(self.module, "UNIT", "share"))

    @property
    def pairwise(self) -> bool:
        """Whether it judges two models against each other: it says nothing of one alone."""
        return hasattr(self.module, "score_pairs")

    @property
    def weigh(self) -> Callable[[Prediction], float] | None:
        """How much a row counts."""
        value: Callable[[Prediction], float] | None = getattr(self.module, "weigh", None)
        return value

    @property
    def finish(self) -> Callable[[float], float] | None:
        """From the mean over rows to the figure that is shown."""
        value: Callable[[float], float] | None = getattr(self.module, "finish", None)
        return value

    def score(self, row: Row, prediction: Prediction) -> float | None:
        """One row; ``None``: this metric cannot judge it.

        Raises:
            GaslampError: the plug-in failed, with the row.
        """
        reference = get_reference(row)
        if reference is None and getattr(self.module, "REFERENCE", True):
            return None
        given = {"row": row, "prediction": prediction}
        wanted = inspect.signature(self.module.score).parameters
        arguments = {key: value for key, value in given.items() if key in wanted}
        try:
            value = self.module.score(prediction.get("text") or "", reference or "", **arguments, **self.options)
        except GaslampError:
            raise
        except Exception as error:  # a metric is anyone's code: the row it failed on is what helps
            raise GaslampError(
                f"the metric {self.name} failed on row {row['id']}: {type(error).__name__}: {error}",
                f"mend score() in {self.module.__file__}: any text may come out of a model",
            ) from error
        return None if value is None else float(value)

    def score_all(self, rows: list[Row], predictions: list[Prediction]) -> list[float | None]:
        """All rows of one model, in order. Raises GaslampError when it can judge none of them."""
        values: list[float | None]
        if hasattr(self.module, "score_set"):
            values = list(self.module.score_set(rows, predictions, **self.options))
        else:
            values = [self.score(row, prediction) for row, prediction in zip(rows, predictions, strict=True)]
        self._require(values)
        return values

    def score_both(
        self, rows: list[Row], base: list[Prediction], tuned: list[Prediction]
    ) -> tuple[list[float | None], list[float | None]]:
        """All rows of base and tuned; a row that it cannot judge for one counts for neither."""
        if self.pairwise:
            pairs = self.module.score_pairs(rows, base, tuned, **self.options)
            first, second = [before for before, _ in pairs], [after for _, after in pairs]
        else:
            first, second = self.score_all(rows, base), self.score_all(rows, tuned)
        paired = [
            (a, b) if a is not None and b is not None else (None, None) for a, b in zip(first, second, strict=True)
        ]
        self._require([a for a, _ in paired])
        return [a for a, _ in paired], [b for _, b in paired]

    def _require(self, values: list[float | None]) -> None:
        if all(value is None for value in values):
            raise GaslampError(
                f"the metric {self.name} can judge none of the {len(values)} test rows",
                "take another metric (eval.metrics in config.yaml), or leave it empty: it is chosen by method and data",
                f"it needs {', '.join(self.needs)}; see {self.module.__file__}",
            )

    def report(self, rows: list[Row], predictions: list[Prediction], values: list[float | None]) -> dict[str, Any]:
        """Further figures of one model over the rows that were judged; empty when the metric has none."""
        if not hasattr(self.module, "report"):
            return {}
        judged = [
            (row, prediction, value)
            for row, prediction, value in zip(rows, predictions, values, strict=True)
            if value is not None
        ]
        result: dict[str, Any] = self.module.report(
            [row for row, _, _ in judged], [p for _, p, _ in judged], [v for _, _, v in judged]
        )
        return result


def choose_metrics(settings: Any, rows: list[Row]) -> list[Metric]:
    """The metrics of a run, the one that decides first: as named, else the method's and what the rows look like.

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
    """The method's DEFAULT_METRICS, the first of which decides; where there are none, or rewards judge, also what the rows suggest."""
    module = registry.get("methods", method)
    named = [name for name in getattr(module, "DEFAULT_METRICS", ()) if name in registry.names("metrics")]
    if rewarded and "mean_reward" not in named:
        named = ["mean_reward", *named]
    names = list(dict.fromkeys([*named, *(get_default_metrics(rows) if rewarded or not named else ())]))
    if not rewarded:
        names = [name for name in names if name != "mean_reward"]
    if getattr(module, "ARTEFACT", "causal_lm") != "causal_lm":
        names = [name for name in names if name != "length"]  # it says nothing
    return sorted(names, key=lambda name: name == "length")  # it decides nothing: last


def get_default_metrics(rows: list[Row]) -> list[str]:
    """By the kind of the rows and the look of their answers."""
    kind = get_kind(rows[0])
    if kind == "text":
        return ["perplexity"]
    if kind == "preference":
        return ["preference_accuracy", "preference_margin", "length"]
    if kind == "rating":
        return ["preference_margin", "length"]
    if kind == "pair":
        return ["retrieval", "mean_reciprocal_rank"]
    references = [text for row in rows if (text := get_reference(row)) is not None]
    if not references:
        return ["mean_reward", "length"]
    if any(get_images(get_prompt(row)) for row in rows):
        return ["exact_match", "character_error_rate", "word_error_rate"]
    return get_answer_metrics(references)


def get_answer_metrics(references: list[str]) -> list[str]:
    """By the look of the reference answers: JSON, numbers, a few classes, short, long."""
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


def get_measures(metrics: list[Metric]) -> dict[str, dict[str, Any]]:
    """What must be asked of the model for these metrics: measure -> options that decide what is asked."""
    found: dict[str, dict[str, Any]] = {"answer": {}}
    for metric in metrics:
        for need in metric.needs:
            if need not in MEASURES:
                raise GaslampError(f"{metric.module.__file__} needs '{need}'", f"NEEDS takes: {', '.join(MEASURES)}")
            asked = getattr(metric.module, "ASKS", ())
            found.setdefault(need, {}).update({key: metric.options[key] for key in asked if key in metric.options})
    return {name: found[name] for name in MEASURES if name in found}


def choose_file_metric(metrics: list[Metric], rows: list[Row], predictions: list[Prediction]) -> Metric:
    """Of ``choose_file_metrics`` the one that compares files with each other: the first share, else the first that judges."""
    able = [
        metric
        for metric in choose_file_metrics([metric for metric in metrics if not metric.pairwise], rows, predictions)
        if metric.higher is not None
    ]
    return next((metric for metric in able if metric.unit == "share"), able[0])


def choose_file_metrics(metrics: list[Metric], rows: list[Row], predictions: list[Prediction]) -> list[Metric]:
    """The metrics that can judge the answers of a served file, which may have been asked less than the trained model.

    Where none can (preferences are measured by likelihoods), the answers are held against the good answers of the rows.

    Raises:
        GaslampError: the rows hold no good answer either.
    """
    measured = {"answer"}
    if all({"likelihood", "scores", "retrieval"} & set(prediction) for prediction in predictions):
        measured |= set(MEASURES)
    able = [metric for metric in metrics if set(metric.needs) <= measured]
    if any(metric.higher is not None for metric in able):
        return sorted(able, key=lambda metric: metric.higher is None)
    references = [text for row in rows if (text := get_reference(row)) is not None]
    if references:
        return [Metric.get(get_answer_metrics(references)[0]), *able]
    names = ", ".join(metric.name for metric in metrics)
    raise GaslampError(
        f"none of the metrics ({names}) can judge the quantized files, which were asked for answers only",
        "put a metric that judges answers into eval.metrics in config.yaml, such as exact_match or chrf",
    )
