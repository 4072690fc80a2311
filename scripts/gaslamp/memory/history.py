"""The runs of a project in their order, ``logs/runs.jsonl``: which changed setting made a run better than the one
before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, Field

from gaslamp.config.edit import write_scalar
from gaslamp.core.contracts import Score, now
from gaslamp.core.files import JsonObject, read_jsonl
from gaslamp.memory.entry import Entry
from gaslamp.memory.forgetting import LOST, get_forgotten
from gaslamp.memory.maker import KEEP, RECURRING, Maker
from gaslamp.memory.recipes import KEYS, Value
from gaslamp.memory.run_facts import RunFacts, show_size
from gaslamp.pages.numbers import format_value

FILE = Path("logs") / "runs.jsonl"
LENGTH = ("train.max_steps", "train.epochs")
"""Settings that fit a number of rows."""


class RunRecord(BaseModel):
    """One training that was evaluated: what was learnt from what, with which settings, and how well."""

    time: str
    run: str
    method: str
    backend: str
    adapter: str  # sha256 of the result
    model: str  # sha256 of the weights
    test: str  # sha256 of the test rows
    metric: str
    title: str
    unit: str
    higher: bool
    score: Score
    settings: dict[str, Value] = Field(default_factory=dict)  # keys that a recipe may set, as the config had them


def make_record(facts: RunFacts) -> RunRecord | None:
    """The record of a run; ``None`` before its evaluation, or where neither more nor less is better."""
    train, compare, card, model = facts.train, facts.compare, facts.card, facts.model
    if not (train and compare and card and model) or compare.metrics[0].higher is None:
        return None
    first = compare.metrics[0]
    return RunRecord(
        time=now(),
        run=facts.run,
        method=train.method,
        backend=train.backend,
        adapter=train.adapter_sha256,
        model=model.sha256,
        test=card.sha256.get("test", ""),
        metric=first.name,
        title=first.title,
        unit=first.unit,
        higher=first.higher,
        score=first.tuned,
        settings=flatten(facts.requested),
    )


def flatten(section: Mapping[str, object], place: str = "train") -> dict[str, Value]:
    """The keys of a section of the config that a recipe may set, with their sections: ``train.lora.r``."""
    found: dict[str, Value] = {}
    for key, value in section.items():
        name = f"{place}.{key}"
        if isinstance(value, dict):
            found |= flatten(value, name)
        elif name in KEYS and (value is None or isinstance(value, str | int | float | bool | list)):
            found[name] = value
    return found


def read_runs(path: Path = FILE) -> list[RunRecord]:
    """The runs of a project, oldest first."""
    return [RunRecord.model_validate(line) for line in read_jsonl(path)] if path.is_file() else []


def add_run(record: RunRecord, path: Path = FILE) -> None:
    """Append a run; the same result is recorded once."""
    if any(known.adapter == record.adapter and known.test == record.test for known in read_runs(path)):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    line: JsonObject = record.model_dump()
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(line, ensure_ascii=False) + "\n")


def get_helpful_changes(maker: Maker, facts: RunFacts, runs: list[RunRecord]) -> list[Entry]:
    """What changed between the run before and this one, with what came of it; none when nothing can be compared.

    A recipe only where the intervals of the two scores do not overlap; what may be chance stays in the project.
    """
    record = make_record(facts)
    if record is None:
        return []
    before = _find_before(record, runs)
    if before is None:
        return []
    changed = {
        key: value for key, value in record.settings.items() if key in before.settings and before.settings[key] != value
    }
    if not changed:
        return []
    sign = 1 if record.higher else -1
    old, new = before.score, record.score
    better = sign * (new.value - old.value) > 0
    is_clear = new.low > old.high or new.high < old.low
    figures = [format_value(score.value, record.unit) for score in (old, new)]
    measured: dict[str, float | str] = {"metric": record.metric, "before": old.value, "after": new.value, "n": new.n}
    words = ", ".join(f"{_get_last(key)} {write_scalar(value)}" for key, value in changed.items())
    olds = ", ".join(
        "the default" if before.settings[key] is None else write_scalar(before.settings[key]) for key in changed
    )
    body = f"{figures[0]} to {figures[1]} ({record.title}, n = {new.n}) with {words} instead of {olds}"
    about = f"changed {facts.method} {facts.model_name} {sorted(changed)}"
    judged = RECURRING if is_clear else ("medium", "recurring", KEEP)
    forgot = get_forgotten(facts.compare)
    if better and is_clear and forgot:
        body = f"{figures[0]} to {figures[1]}, and general questions {forgot}, with {words} instead of {olds}"
        return [maker.make("lessons", 6, f"{words} helped, {LOST}", body, judged, about, measured=measured)]
    if not better or not is_clear:
        what = "helped" if better else "did not help"
        return [maker.make("lessons", 6, f"{words} {what}", body, judged, about, measured=measured)]
    when = _get_condition(facts, changed)
    return [maker.make("skills", 6, f"{words} helped", body, judged, about, when, settings=changed, measured=measured)]


def _find_before(record: RunRecord, runs: list[RunRecord]) -> RunRecord | None:
    """The newest other run that was scored on the same rows by the same metric."""

    def is_alike(other: RunRecord) -> bool:
        keys = ("method", "model", "test", "metric")
        return other.adapter != record.adapter and all(getattr(other, key) == getattr(record, key) for key in keys)

    place = next((at for at, run in enumerate(runs) if run.adapter == record.adapter), len(runs))
    return next((run for run in reversed(runs[:place]) if is_alike(run)), None)


def _get_condition(facts: RunFacts, changed: Mapping[str, Value]) -> str:
    """Where the change may be expected to help again: the same task, and a model of about that size."""
    parts = [facts.get_place()]
    if facts.parameters:
        parts.append(f"model_size>={show_size(facts.parameters / 2)} AND model_size<={show_size(facts.parameters * 2)}")
    rows = facts.card.rows.get("read") if facts.card else None
    if rows and any(key in changed for key in LENGTH):
        parts.append(f"rows>={rows // 2} AND rows<={rows * 2}")
    return " AND ".join(parts)


def _get_last(key: str) -> str:
    return key.rpartition(".")[2]
