"""Is a repeated run the same? Hashes of data, template and model exactly, figures within a tolerance."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from gaslamp.core.contracts import Artefact, Card, Compare, Ladder, ModelFacts, Provenance, Score, Template, TrainFacts
from gaslamp.core.files import read_json, write_text
from gaslamp.core.places import get_data_folder
from gaslamp.pages.markdown import escape_cell
from gaslamp.pages.numbers import format_value
from gaslamp.report.reproduce.project import EXPECTED
from gaslamp.report.roadbook.repeat import Expected

LOSS_TOLERANCE = 0.05
"""Largest relative difference of a loss: another processor rounds otherwise, and a training amplifies it."""
REPORT = "reproduction"


class Check(BaseModel):
    """One comparison."""

    name: str
    expected: str
    found: str
    allowed: str
    passed: bool


class Reproduction(Artefact):
    """reproduction.json of the new project."""

    outcome: Literal["reproduced", "data reproduced", "differs"]
    checks: list[Check]
    notes: list[str]
    roadbook: str


def compare_runs(project: Path, roadbook: Path, tolerance: float, only_data: bool) -> Reproduction:
    """Compare what a project made with what the roadbook said, and write reproduction.json and .md into it.

    Args:
        project: of ``make_project``, after its run.
        roadbook: the file, for the report.
        tolerance: of scores, as a share (0 to 1); a score within the interval of the original passes too.
        only_data: the run ended with the data phase.
    """
    expected = Expected.model_validate(read_json(project / EXPECTED))
    checks = _compare_data(project, expected)
    if not only_data:
        checks += _compare_results(project, expected, tolerance)
    passed = all(check.passed for check in checks)
    outcome: Literal["reproduced", "data reproduced", "differs"] = "differs"
    if passed:
        outcome = "data reproduced" if only_data else "reproduced"
    result = Reproduction(
        outcome=outcome,
        checks=checks,
        notes=_get_notes(project, expected),
        roadbook=roadbook.name,
        provenance=Provenance.start([roadbook]),
    )
    result.write(project / f"{REPORT}.json")
    write_text(project / f"{REPORT}.md", render(result))
    return result


def render(result: Reproduction) -> str:
    """The comparison as Markdown."""
    lines = ["# Reproduction", "", f"**{result.outcome}**, from {result.roadbook}", ""]
    lines += ["| What | Roadbook | Here | Allowed | |", "|---|---|---|---|---|"]
    for check in result.checks:
        cells = [check.name, check.expected, check.found, check.allowed, "same" if check.passed else "differs"]
        lines.append("| " + " | ".join(escape_cell(cell) for cell in cells) + " |")
    lines += ["", *(f"- {note}" for note in result.notes)]
    return "\n".join(lines).rstrip() + "\n"


def _compare_data(project: Path, expected: Expected) -> list[Check]:
    data = get_data_folder(expected.run, project)
    card, template = data / "card.json", data / "template.json"
    # a run of stages has a model for each: what the run itself started from is one of them
    models = [ModelFacts.read(file).sha256 for file in sorted(project.glob("resources/models/*/model.json"))]
    found = Card.read(card).sha256 if card.is_file() else {}
    checks = [_same(f"data, {part}", digest, found.get(part)) for part, digest in expected.data.items()]
    checks.append(
        _same("chat template", expected.template, Template.read(template).sha256 if template.is_file() else None)
    )
    found_model = expected.model if expected.model in models else next(iter(models), None)
    checks.append(_same("base model", expected.model, found_model))
    return checks


def _compare_results(project: Path, expected: Expected, tolerance: float) -> list[Check]:
    outputs = project / "outputs" / expected.run
    train, compare, ladder = outputs / "train.json", outputs / "eval/compare.json", outputs / "gguf/ladder.json"
    checks = []
    losses = TrainFacts.read(train) if train.is_file() else None
    for name in ("loss_first", "loss_last"):
        checks.append(_close_loss(name, getattr(expected, name), getattr(losses, name) if losses else None))
    result = Compare.read(compare) if compare.is_file() else None
    metric = next((one for one in result.metrics if one.name == expected.metric), None) if result else None
    for who in ("base", "tuned"):
        score = getattr(metric, who) if metric else None
        checks.append(_close_score(f"{expected.title}, {who}", getattr(expected, who), score, expected.unit, tolerance))
    checks.append(_same("verdict", expected.verdict, result.verdict if result else None))
    levels = {level.level: level.score for level in Ladder.read(ladder).levels} if ladder.is_file() else {}
    name = f"level {expected.level}"
    checks.append(_close_score(name, expected.level_score, levels.get(expected.level), expected.unit, tolerance))
    return checks


def _same(name: str, expected: str, found: str | None) -> Check:
    is_hash = len(expected) == 64
    shown = [value[:16] + "…" if is_hash and value else value for value in (expected, found)]
    return Check(
        name=name,
        expected=shown[0] or "",
        found=shown[1] or "not there",
        allowed="the same",
        passed=found == expected,
    )


def _close_loss(name: str, expected: float, found: float | None) -> Check:
    close = found is not None and abs(found - expected) <= LOSS_TOLERANCE * max(abs(expected), 0.1)
    shown = "not there" if found is None else f"{found:.4g}"
    what = "training loss, " + {"loss_first": "start", "loss_last": "end"}[name]
    return Check(
        name=what, expected=f"{expected:.4g}", found=shown, allowed=f"{100 * LOSS_TOLERANCE:g} %", passed=close
    )


def _close_score(name: str, expected: Score, found: Score | None, unit: str, tolerance: float) -> Check:
    """Within the original's interval, or within the tolerance: absolute for shares, relative for everything else."""
    room = tolerance if unit == "share" else tolerance * abs(expected.value)
    low, high = min(expected.low, expected.value - room), max(expected.high, expected.value + room)
    if unit == "share":
        low, high = max(0.0, low), min(1.0, high)
    return Check(
        name=name,
        expected=format_value(expected.value, unit),
        found="not there" if found is None else format_value(found.value, unit),
        allowed=f"{format_value(low, unit)} to {format_value(high, unit)}",
        passed=found is not None and low <= found.value <= high,
    )


def _get_notes(project: Path, expected: Expected) -> list[str]:
    from gaslamp import __version__

    notes = [f"the run was made on {expected.machine or 'a machine that was not recorded'}, backend {expected.backend}"]
    if expected.gaslamp != __version__:
        notes.append(f"gaslamp {expected.gaslamp} made the roadbook, {__version__} repeated it")
    train = project / "outputs" / expected.run / "train.json"
    if train.is_file() and (backend := TrainFacts.read(train).backend) != expected.backend:
        notes.append(f"repeated with the backend {backend}: losses and scores may differ a little more")
    return notes
