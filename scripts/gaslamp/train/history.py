"""What a training logged, as the findings read it: columns of numbers, and robust statistics over them.

Medians over windows that do not overlap: a single spike (a row of rehearsal, one odd row) moves none of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from gaslamp.core import registry
from gaslamp.core.events import get_history
from gaslamp.core.files import JsonObject

WINDOWS = 10
"""Into how many windows a whole training is divided."""
SHORTEST = 5
"""Steps of a window at least: fewer have no median worth the name."""


def get_smoothed(values: Sequence[float]) -> float:
    """The smoothed value at the end of a curve: the mean of its last tenth, of one value at least.

    This is *the* loss of a training wherever one number stands for it (train.json, report, roadbook, dashboard). The
    last value alone is the loss of a few rows: one that is memorized shows 0.001, one of rehearsal 2.

    Args:
        values: one for each step, without NaN; not empty.
    """
    tail = values[-get_width(len(values)) :]
    return sum(tail) / len(tail)


def get_width(count: int) -> int:
    """How many of ``count`` values a smoothed one is the mean of: a tenth, one at least."""
    return max(1, count // 10)


def get_windows(values: Sequence[float], count: int = WINDOWS) -> list[float]:
    """Medians of up to ``count`` windows of equal length that do not overlap, in order.

    The rest at the end counts to the last window. Fewer windows where they would have less than SHORTEST values; none
    below two windows.
    """
    return [median(group) for group in get_groups(values, count)]


def get_groups(values: Sequence[float], count: int = WINDOWS) -> list[Sequence[float]]:
    """The values of each window of ``get_windows``."""
    count = min(count, len(values) // SHORTEST)
    if count < 2:
        return []
    size = len(values) // count
    return [values[n * size : (n + 1) * size if n < count - 1 else len(values)] for n in range(count)]


@dataclass
class Column:
    """One logged value: the steps at which it was logged and what it was, NaN and infinity included."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


@dataclass
class History:
    """One training as far as it got.

    Attributes:
        method: its name.
        settings: section ``train`` with presets filled in; what the config left open is null.
        max_steps: planned optimizer steps.
        rows: that it trains on.
        epochs: planned passes over them.
        parameters: of the base model.
        trainable: parameters that are trained; ``None``: not known yet.
        trained_tokens: that carry loss; ``None``: not known, or no token does because a reward decides.
        valid_rows: of each measurement of the validation loss; 0: not known.
        has_answers: whether the rows of prompts come with an answer.
        ended: whether no step will follow.
        columns: logged name -> values; the validation loss is ``valid_loss``.
    """

    method: str
    settings: JsonObject = field(default_factory=dict)
    max_steps: int = 0
    rows: int = 0
    epochs: float = 0.0
    parameters: int = 0
    trainable: int | None = None
    trained_tokens: int | None = None
    valid_rows: int = 0
    has_answers: bool = False
    ended: bool = False
    columns: dict[str, Column] = field(default_factory=dict)

    def add(self, event: JsonObject) -> None:
        """Append the numbers of an event ``step`` or ``eval``; a step that was repeated replaces what followed it."""
        step = int(event["step"])
        if event["event"] == "step" and step <= self.step:
            self.cut(step - 1)
        for name, value in event.items():
            if name in ("step", "time", "seconds", "tokens", "memory_gb") or isinstance(value, bool):
                continue
            if value is None and f"{name}_flag" in event:
                value = math.nan if event[f"{name}_flag"] == "nan" else math.inf
            if isinstance(value, int | float):
                column = self.columns.setdefault(name, Column())
                if not column.steps or column.steps[-1] < step:
                    column.steps.append(step)
                    column.values.append(float(value))

    def cut(self, step: int) -> None:
        """Forget everything after ``step``."""
        for column in self.columns.values():
            kept = sum(one <= step for one in column.steps)
            del column.steps[kept:], column.values[kept:]

    @property
    def step(self) -> int:
        """The last step with a loss, 0 before the first."""
        return max(self.columns["loss"].steps, default=0) if "loss" in self.columns else 0

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to come: the last step is logged, or the training ended."""
        return self.ended or bool(self.max_steps and self.step >= self.max_steps)

    def has(self, *names: str) -> bool:
        """Whether all of these values were logged."""
        return all(name in self.columns for name in names)

    def get(self, name: str) -> list[float]:
        """The finite values of a column in order; empty where it was never logged."""
        column = self.columns.get(name)
        return [value for value in column.values if math.isfinite(value)] if column else []

    def get_points(self, name: str) -> list[tuple[int, float]]:
        """``(step, value)`` of the finite values of a column."""
        column = self.columns.get(name)
        return [(s, v) for s, v in zip(column.steps, column.values, strict=True) if math.isfinite(v)] if column else []

    def get_windows(self, name: str, count: int = WINDOWS) -> list[float]:
        """``get_windows`` of a column."""
        return get_windows(self.get(name), count)

    # ------------------------------------------------------------------------------------------- what the method says

    @property
    def plugin(self) -> Any:
        """The method's plug-in; ``None`` for a method that this version does not know."""
        return registry.get("methods", self.method) if self.method in registry.names("methods") else None

    @property
    def learns_from_rewards(self) -> bool:
        """Whether completions are sampled and scored: the loss then says nothing."""
        return "reward" in getattr(self.plugin, "MAIN_PANELS", ())

    @property
    def loss_leads(self) -> bool:
        """Whether the loss is the value to judge by."""
        return not self.learns_from_rewards

    @property
    def is_loss_comparable(self) -> bool:
        """Whether training and validation loss are the same quantity: not where other rows of the batch are in it."""
        return self.loss_leads and not getattr(self.plugin, "BATCH_IS_LOSS", False)

    def get_setting(self, key: str) -> Any:
        """A value of section ``train``, by its name or ``options.beta``; ``None`` where it is open."""
        value: Any = self.settings
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value


def build_history(events: Sequence[JsonObject]) -> History:
    """The history in the events of one training, resumes included (``read_events``)."""
    starts = [event for event in events if event["event"] == "start"]
    start = starts[-1] if starts else {}
    history = History(
        method=str(start.get("method", "sft")),
        settings=start.get("settings") or {},
        max_steps=int(start.get("max_steps") or 0),
        rows=int(start.get("rows") or 0),
        epochs=float(start.get("epochs") or 0.0),
        parameters=int(start.get("parameters") or 0),
        trainable=start.get("trainable"),
        trained_tokens=start.get("trained_tokens"),
        valid_rows=int(start.get("valid_rows") or 0),
        has_answers=bool(start.get("has_answers")),
        ended=bool(events) and events[-1]["event"] == "end",
    )
    add_events(history, events)
    return history


def add_events(history: History, events: Sequence[JsonObject]) -> None:
    """Put steps and validations into ``history``; of a step that a resume repeated the later one counts."""
    for kind in ("eval", "step"):
        for event in get_history(list(events), kind):
            history.add(event)


def get_fall(values: Sequence[float]) -> float:
    """The share by which the last value is below the first: 0.25 for 4 to 3; negative where it rose."""
    return (values[0] - values[-1]) / abs(values[0]) if values and values[0] else 0.0


def count_equal_tail(values: Iterable[float], target: float, tolerance: float = 1e-9) -> int:
    """How many values at the end equal ``target``."""
    count = 0
    for value in reversed(list(values)):
        if not abs(value - target) <= tolerance:
            break
        count += 1
    return count
