"""The plan of a project: one line for each thing that was decided, with its value and its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict

from gaslamp.core.files import JsonObject
from gaslamp.environment.machines import Machine
from gaslamp.environment.speed import Measured
from gaslamp.guide.amount import Amount
from gaslamp.guide.answers import DataAnswer
from gaslamp.guide.look import Look


@dataclass(frozen=True)
class Line:
    """One decision.

    Attributes:
        name: what was decided, in a word or two; a person changes it under this name.
        value: what was decided, as a person reads and writes it.
        reason: why, as a phrase without a full stop.
        settings: keys of config.yaml (``train.max_length``) with the values that say so.
        options: what it may be instead; empty: it follows from another line, or is not a choice from a list.
        fixed: a person chose it.
    """

    name: str
    value: str
    reason: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    fixed: bool = False


@dataclass(frozen=True)
class Alternative:
    """Another way, with all that it changes; one that there is not changes nothing, and says why."""

    title: str
    changes: Mapping[str, str]  # name of a line -> value
    reason: str


@dataclass
class Plan:
    """What the interview recommends.

    Attributes:
        lines: in the order that they are shown.
        cost: hours, memory, download, disk and price in words; what is not known is left out.
        alternatives: the three of ``machine_lines``; none where a plan was read back.
        notes: what a person should know before they start, one sentence each.
    """

    lines: list[Line]
    cost: str = ""
    alternatives: list[Alternative] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def get(self, name: str) -> Line:
        """The line of a name. Raises KeyError when there is none."""
        for line in self.lines:
            if line.name == name:
                return line
        raise KeyError(name)

    @property
    def settings(self) -> JsonObject:
        """Every key of config.yaml that the plan sets."""
        return {key: value for line in self.lines for key, value in line.settings.items()}

    @property
    def reasons(self) -> dict[str, str]:
        """Key of config.yaml -> the reason of its line; the first key of a line has it, the others follow from it."""
        return {next(iter(line.settings)): f"{line.reason}" for line in self.lines if line.settings}


class PlanFacts(TypedDict):
    """A plan in .gaslamp.json: what was recommended, and what a person chose instead."""

    lines: list[dict[str, Any]]
    cost: str
    notes: list[str]


def to_facts(plan: Plan) -> PlanFacts:
    """A plan as JSON."""
    lines = [{key: value for key, value in asdict(line).items() if key != "options"} for line in plan.lines]
    return {"lines": lines, "cost": plan.cost, "notes": plan.notes}


def read_facts(facts: JsonObject | PlanFacts) -> Plan:
    """The plan that ``to_facts`` wrote, without options and alternatives."""
    return Plan([Line(**line) for line in facts["lines"]], facts["cost"], notes=list(facts["notes"]))


@dataclass
class Situation:
    """What the plan is made from.

    Attributes:
        task: the first answer.
        data: the second one.
        look: at the data.
        system: the machine (look_at_machine).
        offline: why the hub cannot be reached; empty when it can.
        wanted: name of a line -> value, as a person chose it.
        measured: trainings on this machine, which say how fast it is.
        counted: what the data phase counted; None before it ran.
    """

    task: str
    data: DataAnswer
    look: Look
    system: Machine
    wanted: Mapping[str, str] = field(default_factory=dict)
    offline: str = ""
    measured: Sequence[Measured] = ()
    counted: Amount | None = None
