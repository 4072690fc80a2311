"""The contract for a named finding: what is wrong with a run, how that was seen, and which change of the config helps.

Plug-ins make findings from the metrics of a training (``train/findings/``) and from the answers of an evaluation;
``train.json``, ``compare.json`` and the event ``finding`` hold them, and every screen shows the same text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gaslamp.core.decisions import Scalar

Severity = Literal["certain", "likely", "hint"]
SEVERITIES: tuple[Severity, ...] = ("certain", "likely", "hint")
"""The worst first. ``certain``: no healthy run looks like this; ``likely``: nearly always a fault; ``hint``: worth a
look."""
Direction = Literal["raise", "lower"]
Value = Scalar | list[Scalar]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Change(_Frozen):
    """One key of the config with another value.

    Attributes:
        key: as in config.yaml, with dots: ``train.learning_rate``.
        before: the value that was in effect, also where config.yaml says null or auto.
        value: what to write instead.
    """

    key: str = Field(pattern=r"^[a-z_]+(\.[a-z_0-9]+)*$")
    before: Value = None
    value: Value

    @model_validator(mode="after")
    def _changes_something(self) -> Change:
        if self.before == self.value and type(self.before) is type(self.value):
            raise ValueError(f"{self.key} is {self.before!r} already")
        return self

    @property
    def direction(self) -> Direction | None:
        """Whether the number is raised or lowered; ``None`` where one of the values is no number."""
        before, value = self.before, self.value
        if isinstance(before, bool) or isinstance(value, bool):
            return None
        if isinstance(before, int | float) and isinstance(value, int | float):
            return "raise" if value > before else "lower"
        return None

    @property
    def text(self) -> str:
        """``train.epochs: 60 -> 3``."""
        return f"{self.key}: {_write(self.before)} -> {_write(self.value)}"


class Remedy(_Frozen):
    """One thing to try.

    Attributes:
        action: what to do, as an imperative phrase without a full stop.
        effect: what should become of it, as a phrase without a full stop.
        changes: of the config, which belong together; empty where a person must act (rows to add, a label to correct).
        moves: keys that a person moves who does it by hand, and whither: "train longer" raises train.epochs.
    """

    action: str = Field(min_length=1)
    effect: str = ""
    changes: list[Change] = Field(default_factory=list)
    moves: dict[str, Direction] = Field(default_factory=dict)

    @property
    def directions(self) -> dict[str, Direction | None]:
        """Key -> whither the changes and the words move it; ``None``: to another value that is no number."""
        return {get_quantity(change.key): change.direction for change in self.changes} | {
            get_quantity(key): direction for key, direction in self.moves.items()
        }

    @property
    def text(self) -> str:
        """The action with its changes and its effect in one line."""
        changes = f" ({', '.join(change.text for change in self.changes)})" if self.changes else ""
        return f"{self.action}{changes}{f': {self.effect}' if self.effect else ''}"


class Limit(_Frozen):
    """The threshold that decided, so that a person can move it.

    Attributes:
        key: in the config: ``diagnose.loss_flat``.
        value: in effect.
    """

    key: str
    value: float


class Finding(_Frozen):
    """One thing that is wrong with a run.

    Attributes:
        name: of the plug-in that found it.
        title: the finding as a short sentence without a full stop.
        severity: how sure it is.
        seen: what was seen, with figures, as a phrase without a full stop.
        figures: the numbers of ``seen`` by name, for tables and tests.
        rows: ids of rows that show it, worst first; empty where it is not about rows.
        cause: the usual cause, as a phrase without a full stop.
        remedies: what to try, the likeliest gain first.
        rules_out: key of the config -> direction in which no advice of this run may move it: overfitting rules out
            ``{"train.epochs": "raise"}``.
        step: of the training at which it showed; ``None``: it is about the run as a whole, or about answers.
        limit: the threshold that decided; ``None``: there is none (NaN is NaN).
    """

    name: str = Field(min_length=1)
    title: str = Field(min_length=1)
    severity: Severity
    seen: str = Field(min_length=1)
    figures: dict[str, float] = Field(default_factory=dict)
    rows: list[str] = Field(default_factory=list)
    cause: str = ""
    remedies: list[Remedy] = Field(default_factory=list)
    rules_out: dict[str, Direction] = Field(default_factory=dict)
    step: int | None = Field(None, ge=0)
    limit: Limit | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Finding:
        for change in (change for remedy in self.remedies for change in remedy.changes):
            if change.direction and self.rules_out.get(change.key) == change.direction:
                raise ValueError(f"{self.name} proposes what it rules out: {change.text}")
        return self

    @property
    def text(self) -> str:
        """``title: seen`` with the step, for a log line or a terminal."""
        where = f"step {self.step}: " if self.step is not None else ""
        return f"{where}{self.title}: {self.seen}"


class Advice(_Frozen):
    """One thing to try, as the pages list it and ``make try`` applies it.

    Attributes:
        finding: name of the finding that it answers; empty where none does.
        remedy: what to do.
    """

    finding: str = ""
    remedy: Remedy

    @property
    def text(self) -> str:
        """The remedy in one line."""
        return self.remedy.text


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """The most certain first; of equal ones in the order in which they came."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


SAME = {"train.max_steps": "train.epochs"}
"""Keys that set one quantity: how long it trains."""


def get_quantity(key: str) -> str:
    """What a key sets, where several set the same."""
    return SAME.get(key, key)


def is_ruled_out(remedy: Remedy, findings: Iterable[Finding]) -> bool:
    """Whether a finding says that this makes things worse."""
    ruled_out = {(get_quantity(key), direction) for finding in findings for key, direction in finding.rules_out.items()}
    return any(pair in ruled_out for pair in remedy.directions.items())


LATER = 1.5
"""Steps of severity by which each further remedy of one finding ranks lower."""


def get_remedies(findings: Iterable[Finding]) -> list[tuple[Finding, Remedy]]:
    """Every remedy that contradicts no finding, with the finding that it is for, the likeliest gain first.

    First the first remedy of what is certain, then of what is likely; the further remedies of a finding come later. A
    remedy that was proposed before is left out, be it with other numbers, and so is one that moves a key which an
    earlier remedy moves the other way.
    """
    findings = sort_findings(findings)
    left = [list(finding.remedies) for finding in findings]
    ranks = [float(SEVERITIES.index(finding.severity)) for finding in findings]
    taken: list[tuple[Finding, Remedy]] = []
    moved: dict[str, Direction | None] = {}
    known: list[Mapping[str, Value]] = []
    while any(left):
        place = min((n for n, remedies in enumerate(left) if remedies), key=lambda n: ranks[n])
        remedy = left[place].pop(0)
        values: Mapping[str, Value] = {change.key: change.value for change in remedy.changes} or {"": remedy.action}
        directions = remedy.directions
        if is_ruled_out(remedy, findings) or values in known:
            continue
        if any(key in moved and moved[key] != direction for key, direction in directions.items()):
            continue
        if directions and None not in directions.values() and directions.keys() <= moved.keys():
            continue  # halved above, a third here: the first one is to be tried
        known.append(values)
        moved |= directions
        taken.append((findings[place], remedy))
        ranks[place] += LATER
    return taken


def keep_consistent(findings: Iterable[Finding]) -> list[Finding]:
    """The findings in order, each with those of its remedies that ``get_remedies`` takes."""
    findings = sort_findings(findings)
    taken: dict[str, list[Remedy]] = {}
    for finding, remedy in get_remedies(findings):
        taken.setdefault(finding.name, []).append(remedy)
    return [finding.model_copy(update={"remedies": taken.get(finding.name, [])}) for finding in findings]


def _write(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(_write(item) for item in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)
