"""What to try next, in order of likely gain: from the findings of a run, and from what its project tried before."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gaslamp.core.contracts import TrainFacts, Verdict
from gaslamp.core.events import read_events
from gaslamp.core.files import JsonObject, read_json
from gaslamp.core.finding import Advice, Change, Finding, get_remedies, sort_findings

LINES = 3
"""Pieces of advice at most: a person tries one, and who reads ten reads none."""


@dataclass(frozen=True)
class Tried:
    """Another run of the project: what it trained with."""

    run: str
    method: str
    settings: JsonObject = field(default_factory=dict)

    def has(self, change: Change) -> bool:
        """Whether the run trained with this value."""
        if change.key == "method":
            return self.method == change.value
        value: object = {"train": self.settings}
        for part in change.key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, int | float) and isinstance(change.value, int | float):
            return math.isclose(value, change.value, rel_tol=1e-6)
        return value == change.value


def read_tried(outputs: Path, run: str) -> list[Tried]:
    """The other finished trainings of a project: ``outputs/*/train.json``, without that of ``run``."""
    found = []
    for file in sorted(outputs.glob("*/train.json")):
        if file.parent.name != run:
            facts = TrainFacts.read(file)
            found.append(Tried(file.parent.name, facts.method, facts.settings))
    return found


def choose_advice(findings: Iterable[Finding], tried: Sequence[Tried] = ()) -> list[Advice]:
    """The first LINES of ``rank_advice``."""
    return rank_advice(findings, tried)[:LINES]


def rank_advice(findings: Iterable[Finding], tried: Sequence[Tried] = ()) -> list[Advice]:
    """What to try, in the order of ``get_remedies``; what another run of the project tried is left out."""
    return [
        Advice(finding=finding.name, remedy=remedy)
        for finding, remedy in get_remedies(findings)
        if not (remedy.changes and any(all(one.has(change) for change in remedy.changes) for one in tried))
    ]


def read_findings(metrics: Path) -> list[Finding]:
    """The findings of the newest training in a metrics.jsonl that still stand: events ``finding``."""
    found: dict[str, Finding] = {}
    for event in read_events(metrics):
        if event["event"] == "start":
            found.clear()
        elif event["event"] == "finding":
            found[event["finding"]["name"]] = Finding.model_validate(event["finding"])
        elif event["event"] == "finding_gone":
            found.pop(event["name"], None)
    return sort_findings(found.values())


def read_advice(project: Path, run: str) -> list[Advice]:
    """What to try after ``run``: of its evaluation, or of its training where that ended without one.

    Every screen and ``make try`` read it here, so that number 1 is the same everywhere.
    """
    verdict, metrics = project / "outputs" / run / "eval/verdict.json", project / "logs" / run / "train.metrics.jsonl"
    if verdict.is_file() and not _is_newer(metrics, verdict):
        return Verdict.model_validate(read_json(verdict)).tries
    return choose_advice(read_findings(metrics), read_tried(project / "outputs", run))


def _is_newer(metrics: Path, verdict: Path) -> bool:
    """Whether a training began after the evaluation: the verdict is about other weights."""
    return metrics.is_file() and metrics.stat().st_mtime > verdict.stat().st_mtime
