"""The points of a sweep on the validation rows: scores, order, and the ones that go on to the test rows."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from gaslamp.config.points import get_seed_runs
from gaslamp.config.schema import Config
from gaslamp.config.sections.sweep import OWN_DATA
from gaslamp.config.slices import Slice
from gaslamp.config.sweep_points import get_swept_keys
from gaslamp.core.console import say
from gaslamp.core.contracts import Provenance, Score, TrainFacts
from gaslamp.core.decisions import find_decision
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject
from gaslamp.core.sweep_contracts import PointFacts, SweepFacts
from gaslamp.data.rows import Row
from gaslamp.evaluate.metric import Metric
from gaslamp.evaluate.point_rows import choose_metric, match_rows, read_rows
from gaslamp.evaluate.predictions import read_predictions
from gaslamp.evaluate.stats import get_score
from gaslamp.evaluate.sweep_importance import get_importances
from gaslamp.pages.numbers import format_number, format_value
from gaslamp.train.pruning import PRUNED

LOSS = "valid_loss"


def compare_points(
    settings: Slice,
    points: dict[str, JsonObject],
    answers: dict[str, Path],
    facts: dict[str, Path],
    rows: dict[str, Path],
    keep: int,
    out: Path,
) -> SweepFacts:
    """Score every point on the validation rows and write outputs/sweep.json.

    Args:
        settings: slice with method, eval, train.rewards and data.slice.
        points: name -> the keys that it changes.
        answers: run -> predictions on the validation rows; of each point, and of its further seeds (``r8-seed2``).
        facts: run -> train.json.
        rows: run -> its validation rows; points of one data phase share the file.
        keep: how many points go on.
        out: sweep.json.

    Raises:
        GaslampError: there is nothing to choose by.
    """
    given = match_rows(read_rows(rows))
    count = len(given[next(iter(points))])
    metric = choose_metric(settings, given[next(iter(points))], list_methods(settings.method, points, given))
    require_metric(metric, points)
    runs = {
        name: [name, *(run for run in answers if re.fullmatch(rf"{re.escape(name)}-seed\d+", run))] for name in points
    }
    found = [
        _describe(
            name, changes, metric, given, {run: answers[run] for run in runs[name]}, facts, settings.eval.confidence
        )
        for name, changes in points.items()
    ]
    if metric is None and all(point.loss is None for point in found):
        raise GaslampError(
            "the points cannot be compared: no metric scores the validation rows, and no validation loss was measured",
            "name a metric in eval.metrics",
            "the validation rows are too few: raise data.split.valid",
        )
    ordered = sort_points(found, metric is None or metric.higher is not False)
    for point in ordered[:keep]:
        point.kept = True
    best = ordered[0]
    ties = sum(
        point.score is not None
        and best.low is not None
        and best.high is not None
        and best.low <= point.score <= best.high
        for point in ordered[1:]
    )
    result = SweepFacts(
        metric=metric.name if metric else LOSS,
        title=metric.title if metric else "Validation loss",
        unit=metric.unit if metric else "nats",
        higher=metric is not None and metric.higher is not False,
        n=count,
        keys=get_swept_keys(points),
        points=ordered,
        ties=ties,
        importances=get_importances(ordered, get_swept_keys(points)),
        provenance=Provenance.start(
            [*dict.fromkeys(rows.values()), *answers.values(), *facts.values()], settings.dump()
        ),
    )
    result.write(out)
    say(describe_choice(result))
    return result


def list_runs(config: Config, points: dict[str, JsonObject]) -> list[str]:
    """Every run that a sweep trains: each point, followed by its further seeds.

    Args:
        config: of the project, for the number of seeds.
        points: name -> the keys that it changes.
    """
    return [run for name in points for run in (name, *get_seed_runs(config.model_copy(update={"run": name})))]


def read_kept(file: str | Path) -> list[str]:
    """The runs that go on, the best first, of a sweep.json."""
    return SweepFacts.read(Path(file)).kept


def list_methods(own: str, points: dict[str, JsonObject], rows: dict[str, list[Row]]) -> list[tuple[str, list[Row]]]:
    """Methods that points change to, each with the validation rows of one of them.

    Args:
        own: of the project.
        points: name -> the keys that it changes.
        rows: run -> its validation rows.
    """
    found = {str(changes["method"]): rows[name] for name, changes in points.items() if "method" in changes}
    return [(method, theirs) for method, theirs in found.items() if method != own]


def require_metric(metric: Metric | None, points: dict[str, JsonObject]) -> None:
    """Refuse points whose validation losses say different things where nothing else could choose.

    Raises:
        GaslampError: no metric scores the rows, and points differ in more than the training.
    """
    mixed = [key for key in get_swept_keys(points) if key.startswith(OWN_DATA)]
    if metric is None and mixed:
        raise GaslampError(
            f"the points differ in {', '.join(mixed)}, so that their validation losses cannot be compared, and no "
            "metric scores the answers of all of them",
            "name one in eval.metrics: exact_match, token_f1, rouge_l",
        )


def sort_points(points: Sequence[PointFacts], higher: bool) -> list[PointFacts]:
    """The best first: by score, equal ones by validation loss, then in the order of the config; those that a pruner
    ended come last.
    """

    def rank(point: PointFacts) -> tuple[bool, float, float]:
        score = float("inf") if point.score is None else -point.score if higher else point.score
        return point.pruned is not None, score, float("inf") if point.loss is None else point.loss

    return sorted(points, key=rank)


def describe_choice(facts: SweepFacts) -> str:
    """Which point is the best, by what, and how sure that is."""
    best, count = facts.points[0], len(facts.points)
    figure = show_figure(facts, best)
    close = f"; {facts.ties} more within its interval: more validation rows would separate them" if facts.ties else ""
    pruned = sum(point.pruned is not None for point in facts.points)
    ended = f"; {pruned} ended early" if pruned else ""
    return f"best of {count} points: {best.run}, {facts.title} {figure} on {facts.n} validation rows{ended}{close}"


def explain_choice(facts: SweepFacts, run: str) -> str:
    """How a point became the one that is evaluated, as a sentence for the pages about it; empty for another run."""
    place = next((number for number, point in enumerate(facts.points, 1) if point.run == run), 0)
    if not place:
        return ""
    point = facts.points[place - 1]
    return (
        f"This run is number {place} of {len(facts.points)} points of a sweep by {facts.title} on {facts.n} validation "
        f"rows ({show_figure(facts, point)} there), which is what it was chosen by. The test rows chose nothing."
    )


def show_figure(facts: SweepFacts, point: PointFacts) -> str:
    """What a point was chosen by, as pages show it."""
    if point.score is not None:
        return format_value(point.score, facts.unit)
    return "not measured" if point.loss is None else format_number(point.loss)


def _describe(
    name: str,
    changes: JsonObject,
    metric: Metric | None,
    rows: dict[str, list[Row]],
    answers: dict[str, Path],
    facts: dict[str, Path],
    confidence: float,
) -> PointFacts:
    train = TrainFacts.read(facts[name])
    scores = [_score(metric, rows[run], file, confidence) for run, file in answers.items()] if metric else []
    values = [score.value for score in scores]
    losses = [TrainFacts.read(facts[run]).valid_loss_kept for run in answers]
    known = [loss for loss in losses if loss is not None]
    return PointFacts(
        run=name,
        changes=changes,
        scores=values,
        score=round(statistics.fmean(values), 6) if values else None,
        low=scores[0].low if scores else None,
        high=scores[0].high if scores else None,
        loss=statistics.fmean(known) if known else None,
        steps=train.steps,
        seconds=train.seconds,
        peak_memory_gb=train.peak_memory_gb,
        trainable_parameters=train.trainable_parameters,
        pruned=_get_pruned(train),
    )


def _get_pruned(train: TrainFacts) -> str | None:
    ended = find_decision(train.decisions, "ended")
    return ended.reason if ended and ended.reason.startswith(PRUNED) else None


def _score(metric: Metric, rows: list[Row], file: Path, confidence: float) -> Score:
    found = read_predictions(file, rows)
    predictions = [found[row["id"]] for row in rows]
    _, scores = metric.score_both(rows, predictions, predictions)
    kept = [(score, given) for score, given in zip(scores, predictions, strict=True) if score is not None]
    weights = [metric.weigh(given) for _, given in kept] if metric.weigh else None
    return get_score([score for score, _ in kept], confidence, weights, metric.finish)
