"""The section ``sweep``: several trainings of one project, compared on the validation rows."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from gaslamp.config.sections.fields import Section


class Sweep(Section):
    """What the points of a sweep differ in. Without ``over`` and ``points`` there is one training."""

    over: dict[str, list[Any] | dict[str, Any]] = Field(
        default_factory=dict,
        description="Key of train, data, model or method -> its values: {train.lora.r: [8, 16], data.system: [null, Be "
        "brief.]}; with another how also a range: {train.learning_rate: {low: 1e-5, high: 1e-3, log: true}}.",
    )
    points: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Further points, each with its own values: [{train.epochs: 5, train.lora.r: 64}]; a name of its "
        "own: {name: large, train.lora.r: 128}.",
    )
    how: Literal["grid", "random", "tpe", "gp", "qmc"] = Field(
        "grid",
        description="grid: every combination of the values; random: so many draws as trials says; tpe, gp, qmc: "
        "samplers of Optuna, which choose each point by the results before it (make sweep).",
    )
    trials: int = Field(
        20, ge=1, le=1000, description="Number of points, but for a grid; raising it keeps those that are there."
    )
    seed: int = Field(3407, ge=0, lt=2**32, description="Another one draws other points.")
    keep: int = Field(
        1,
        ge=1,
        le=100,
        description="How many of the best points go on to the test rows, the GGUF files and the parity gate.",
    )

    prune: Literal["none", "median", "percentile", "successive_halving", "hyperband"] = Field(
        "none",
        description="Ends points early whose validation loss is worse than that of others: pruners of Optuna. An edit "
        "trains nothing again. none: every point trains to its end.",
    )

    @property
    def is_on(self) -> bool:
        """Whether there is a sweep."""
        return bool(self.over or self.points)

    @field_validator("over")
    @classmethod
    def _has_values(cls, over: dict[str, list[Any] | dict[str, Any]]) -> dict[str, list[Any] | dict[str, Any]]:
        for key, values in over.items():
            if refusal := explain_refusal(key):
                raise ValueError(f"{key}: {refusal}")
            if isinstance(values, list) and not values:
                raise ValueError(f"{key}: a list of values is empty")
            if isinstance(values, dict) and (problem := _find_range_problem(values)):
                raise ValueError(f"{key}: {problem}")
        return over

    @field_validator("points")
    @classmethod
    def _names_keys(cls, points: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for number, point in enumerate(points, 1):
            for key in point:
                if key != "name" and (refusal := explain_refusal(key)):
                    raise ValueError(f"point {number}, {key}: {refusal}")
            if not set(point) - {"name"}:
                raise ValueError(f"point {number} changes nothing: write {{train.lora.r: 64}}")
        return points

    @model_validator(mode="after")
    def _ranges_are_drawn(self) -> Sweep:
        ranges = [key for key, values in self.over.items() if isinstance(values, dict)]
        if ranges and self.how == "grid":
            raise ValueError(
                f"{', '.join(ranges)}: a grid needs values, a range is drawn from: list them, or how: random"
            )
        return self


STEERED = ("tpe", "gp", "qmc")
"""Values of ``how`` that are samplers of Optuna."""
NOT_SWEPT = {
    "train.seed": "other seeds of one config are train.seeds: 3",
    "train.seeds": "other seeds of one config are train.seeds: 3",
    "train.processes": "all points share one machine: set it once, in section train",
    "data.split": "all points are compared on the same validation rows: set it once, in section data",
    "data.group": "all points are compared on the same validation rows: set it once, in section data",
    "data.slice": "the score by slice is one of all points: set it once, in section data",
    "data.labelled": "all points share the rows of make label: set it once, in section data",
    "data.generate": "all points share the rows that a model wrote: set it once, in section data",
    "data.part": "the program sets it",
    "model.adapter": "a point starts from a base model: name several in model.source",
}
"""Keys, or sections, that no point can change -> why."""


def explain_refusal(key: str) -> str:
    """Why a key cannot be swept, and what to do; empty: it can."""
    for name, reason in NOT_SWEPT.items():
        if key == name or key.startswith(f"{name}."):
            return reason
    if key == "method" or key.startswith(("train.", "data.", "model.")):
        return ""
    return (
        "only method and keys of train, data and model can differ between points, written whole: train.lora.r, "
        "data.system, model.source"
    )


OWN_DATA = ("data.", "model.", "method", "train.max_length", "train.thinking")
"""How keys begin whose points have a data phase of their own."""


def _find_range_problem(values: dict[str, Any]) -> str:
    numbers = [values.get(name) for name in ("low", "high")]
    if set(values) - {"low", "high", "log"} or not all(_is_number(one) for one in numbers):
        return "a range is {low: 1e-5, high: 1e-3}, with log: true where the exponent counts"
    low, high = (float(one) for one in numbers if one is not None)
    if low >= high:
        return "low is not below high"
    if values.get("log") and low <= 0:
        return "a range with log: true begins above 0"
    return ""


def _is_number(value: object) -> bool:
    try:
        return not isinstance(value, bool) and value is not None and float(str(value)) == float(str(value))
    except ValueError:
        return False
