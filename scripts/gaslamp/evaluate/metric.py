"""A metric plug-in, and the one way to call it, whatever the kind of rows and the form of its functions.

The smallest plug-in has ``TITLE``, ``BINARY`` and ``score(answer, reference)``. What else a file may define:

    NEEDS       outputs of the model that it scores, names of MODEL_OUTPUTS; default ("answer",)
    INPUT_OPTIONS  names of its options that change what is computed with the model (the choices of multiple_choice)
    HIGHER      True (default): more is better; False: less is better; None: neither, it only reports
    UNIT        share (default), number, points, seconds, tokens, nats: how a value is shown
    REFERENCE   False: rows without a reference answer are scored too
    BASELINES   whether answers of no model can be scored too (majority, copying ...); default: as REFERENCE
    DECIDES     False: it may not decide in place of a metric that cannot rise; default True
    TOOL_CALLS  True: it compares tool calls; other metrics skip rows whose reference is a call
    score       may also take ``row`` and ``prediction`` by name, and its options: any further keyword with a default,
    set in
                eval.options. It returns a float, or None for a row that it cannot score
    score_set(rows, predictions, **options) -> [float]: instead of score, when all rows are scored at once
    score_pairs(rows, base, tuned, **options) -> [(base, tuned)]: instead of score, when the two are compared
    weigh(prediction) -> float: how much a row counts (default 1); finish(mean) -> float: the figure that is shown
    find_fault(predictions) -> str: why its scores say nothing, as a sentence; it then decides nothing
    report(rows, predictions, values) -> dict: further figures of one model, such as a confusion matrix
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject
from gaslamp.data.rows import Row, get_reference
from gaslamp.evaluate.predictions import Prediction
from gaslamp.evaluate.tool_calls import get_reference_calls

MODEL_OUTPUTS = ("answer", "reference", "choices", "preference", "retrieval")
"""What can be computed with a model for a row: an answer; the likelihood of the reference (or running text); the
likelihood of
each of some choices; likelihoods or scores of chosen and rejected; the rank of the right text among all of the test
set."""

FORMS = ("score_pairs", "score_set", "score")


@dataclass(frozen=True)
class Metric:
    """One plug-in with its options."""

    name: str
    module: ModuleType
    options: JsonObject = field(default_factory=dict)

    @classmethod
    def get(cls, name: str, options: JsonObject | None = None) -> Metric:
        """The metric of that name.

        Args:
            name: file name in metrics/, of the library or of the project.
            options: keywords of its score function.

        Raises:
            GaslampError: an unknown name, a file that is no metric, or an unknown option.
        """
        module = registry.get("metrics", name)
        function = next((found for form in FORMS if (found := getattr(module, form, None))), None)
        if (
            function is None
            or not getattr(module, "TITLE", "")
            or not isinstance(getattr(module, "BINARY", None), bool)
        ):
            raise GaslampError(
                f"{module.__file__} is not a metric: it needs TITLE, BINARY and score(answer, reference)",
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
        """Names of MODEL_OUTPUTS."""
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
        """Whether it compares two models: it has no score for one alone."""
        return hasattr(self.module, "score_pairs")

    @property
    def weigh(self) -> Callable[[Prediction], float] | None:
        """How much a row counts; ``None``: all rows count the same."""
        value: Callable[[Prediction], float] | None = getattr(self.module, "weigh", None)
        return value

    @property
    def finish(self) -> Callable[[float], float] | None:
        """From the mean over rows to the figure that is shown."""
        value: Callable[[float], float] | None = getattr(self.module, "finish", None)
        return value

    def score(self, row: Row, prediction: Prediction) -> float | None:
        """The score of one row; ``None``: this metric cannot score it.

        Raises:
            GaslampError: the plug-in failed, with the row.
        """
        reference = get_reference(row)
        if getattr(self.module, "REFERENCE", True):
            if reference is None:
                return None
            if get_reference_calls(row) and not getattr(self.module, "TOOL_CALLS", False):
                return None  # text is not compared with a call
        given = {"row": row, "prediction": prediction}
        wanted = inspect.signature(self.module.score).parameters
        arguments = {key: value for key, value in given.items() if key in wanted}
        try:
            value = self.module.score(prediction.get("text") or "", reference or "", **arguments, **self.options)
        except GaslampError:
            raise
        except Exception as error:  # a metric may be the user's code: the row that it failed on helps
            raise GaslampError(
                f"the metric {self.name} failed on row {row['id']}: {type(error).__name__}: {error}",
                f"fix score() in {self.module.__file__}: a model may generate any text",
            ) from error
        return None if value is None else float(value)

    def score_all(self, rows: list[Row], predictions: list[Prediction]) -> list[float | None]:
        """Scores of all rows of one model, in order.

        Raises:
            GaslampError: it can score none of them.
        """
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
        """Scores of all rows of base and tuned; a row that has no score for one has none for the other either."""
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
                f"the metric {self.name} can score none of the {len(values)} test rows",
                "use another metric (eval.metrics in config.yaml), or leave it empty: metrics are then chosen by "
                "method and data",
                f"it needs {', '.join(self.needs)}; see {self.module.__file__}",
            )

    def find_fault(self, predictions: list[Prediction]) -> str:
        """Why the scores of these answers say nothing; empty where they do."""
        return str(self.module.find_fault(predictions)) if hasattr(self.module, "find_fault") else ""

    def report(self, rows: list[Row], predictions: list[Prediction], values: list[float | None]) -> JsonObject:
        """Further figures of one model over the rows that were scored; empty when the metric has none."""
        if not hasattr(self.module, "report"):
            return {}
        scored = [
            (row, prediction, value)
            for row, prediction, value in zip(rows, predictions, values, strict=True)
            if value is not None
        ]
        result: JsonObject = self.module.report(
            [row for row, _, _ in scored], [p for _, p, _ in scored], [v for _, _, v in scored]
        )
        return result


def get_title(name: str) -> str:
    """A metric as pages call it: its title; the name in words where this project has no such plug-in."""
    known = name in registry.names("metrics")
    title = str(getattr(registry.get("metrics", name), "TITLE", "")) if known else name.replace("_", " ")
    return title[:1].upper() + title[1:]
