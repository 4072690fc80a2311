"""What a run gave, for programs: scores with intervals, verdict, levels, parity, sizes, paths; from facts alone."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.contracts import Bench, Compare, Ladder, MetricResult, Parity, Score, TrainFacts, Verdict
from gaslamp.core.document import Document, Part
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json
from gaslamp.report.summary import get_paths, is_outdated, read_fact


class MetricPart(Part):
    """One metric; the first one of a run decides its verdict."""

    name: str
    title: str
    about: str
    unit: str
    higher_is_better: bool | None
    base: Score
    tuned: Score
    difference: Score | None
    p_value: float
    slices: dict[str, dict[str, Score]]

    @classmethod
    def take(cls, metric: MetricResult) -> MetricPart:
        """Of the comparison's own record."""
        same = metric.model_dump(include=set(cls.model_fields))
        return cls.model_validate({**same, "higher_is_better": metric.higher})


class TrainingPart(Part):
    """How the run trained."""

    method: str
    backend: str
    rows: int
    steps: int
    epochs: float
    loss_first: float
    loss_last: float
    valid_loss_first: float | None
    valid_loss_last: float | None
    seconds: float
    peak_memory_gb: float
    settings: dict[str, object]


class LevelPart(Part):
    """One file that can be served."""

    level: str
    file: str
    size_bytes: int
    score: Score
    same_as_f16: float | None
    tokens_per_second: float | None


class ResultsDocument(Document):
    """``make results JSON=1``: a part that the run has not reached is null or empty."""

    run: str
    is_outdated: bool  # the data was prepared again after the evaluation: make run brings the results up to date
    verdict: str | None  # better, no clear difference, worse
    headline: str | None
    gate_passed: bool | None
    warnings: list[str]
    advice: list[str]  # what to try, first things first
    test_rows: int | None
    confidence: float | None
    metrics: list[MetricPart]
    retention: dict[str, Score]  # base | tuned -> general questions answered
    retention_lost: int | None
    training: TrainingPart | None
    levels: list[LevelPart]
    level_metric: str | None
    recommended: str | None
    recommended_reason: str | None
    parity_passed: bool | None
    parity: str | None
    paths: dict[str, str]


def get_results(run: str) -> ResultsDocument:
    """The results of ``run`` in the project of the working directory.

    Raises:
        GaslampError: the run has recorded nothing.
    """
    outputs = Path("outputs") / run
    compare = read_fact(Compare, outputs / "eval" / "compare.json")
    train = read_fact(TrainFacts, outputs / "train.json")
    ladder = read_fact(Ladder, outputs / "gguf" / "ladder.json")
    parity = read_fact(Parity, outputs / "gguf" / "parity.json")
    if not (compare or train or ladder):
        raise GaslampError(
            f"{outputs} holds no results",
            "make run makes them; make status says how far it is",
            f"another run: RUN=name, {_list_runs()}",
        )
    gate = outputs / "eval" / "verdict.json"
    verdict = Verdict.model_validate(read_json(gate)) if gate.is_file() else None
    return ResultsDocument(
        run=run,
        is_outdated=is_outdated(run),
        verdict=compare.verdict if compare else None,
        headline=compare.headline if compare else None,
        gate_passed=verdict.passed if verdict else None,
        warnings=[*verdict.blocking, *verdict.warnings] if verdict else [],
        advice=verdict.advice if verdict else [],
        test_rows=compare.n if compare else None,
        confidence=compare.confidence if compare else None,
        metrics=[MetricPart.take(metric) for metric in compare.metrics] if compare else [],
        retention=compare.retention if compare else {},
        retention_lost=len(compare.retention_lost) if compare else None,
        training=_get_training(train) if train else None,
        levels=_get_levels(ladder, outputs / "gguf") if ladder else [],
        level_metric=ladder.metric if ladder else None,
        recommended=ladder.recommended if ladder else None,
        recommended_reason=ladder.reason if ladder else None,
        parity_passed=parity.passed if parity else None,
        parity=parity.summary if parity else None,
        paths={what: path.as_posix() for what, path in get_paths(run, ladder)},
    )


def _list_runs() -> str:
    runs = sorted(file.parent.name for file in Path("outputs").glob("*/train.json"))
    return f"such as {', '.join(runs)}" if runs else "none has trained yet"


def _get_training(train: TrainFacts) -> TrainingPart:
    same = train.model_dump(include=set(TrainingPart.model_fields))
    return TrainingPart.model_validate({**same, "rows": train.train_rows})


def _get_levels(ladder: Ladder, folder: Path) -> list[LevelPart]:
    bench = read_fact(Bench, folder / "bench.json")
    parts = []
    for level in ladder.levels:
        speeds = bench.levels.get(level.level, {}) if bench else {}
        parts.append(
            LevelPart(
                level=level.level,
                file=(folder / level.file).as_posix(),
                size_bytes=level.size_bytes,
                score=level.score,
                same_as_f16=level.same_as_f16,
                tokens_per_second=speeds.get("gen_tps", speeds.get("prompt_tps")),
            )
        )
    return parts
