"""Would more data help? The same training on shares of the rows, scored on the same test rows."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.contracts import Compare, Provenance, Score, TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl
from gaslamp.core.sweep_contracts import CurvePoint, LearningCurve
from gaslamp.evaluate.choose_metrics import choose_metrics
from gaslamp.evaluate.predictions import Answers, read_predictions
from gaslamp.evaluate.stats import get_difference, get_p_value, get_score
from gaslamp.pages.numbers import format_chance, format_interval, format_number, format_value


def draw_curve(
    settings: Slice, compare: Path, answers: dict[str, Path], base: Path, facts: dict[str, Path], test: Path, out: Path
) -> LearningCurve:
    """Score each share by the metric that decided about the run, and write learning_curve.json.

    Args:
        settings: slice with method, eval, train.rewards and data.slice.
        compare: compare.json of the run.
        answers: run -> predictions on the test rows; the smallest share first, the run itself last.
        base: predictions of the base model.
        facts: run -> train.json.
        test: data/test.jsonl.
        out: learning_curve.json.
    """
    rows = list(read_jsonl(test))
    decided = Compare.read(compare).metrics[0]
    metric = next((one for one in choose_metrics(settings, rows) if one.name == decided.name), None)
    if metric is None or hasattr(metric.module, "score_pairs"):
        raise GaslampError(
            f"{decided.title} compares two models and gives a single one no score, so that there is no curve of it",
            "name another metric first in eval.metrics",
        )
    confidence = settings.eval.confidence
    reference = read_predictions(base, rows)

    def score(found: Answers) -> list[float | None]:
        predictions = [found[row["id"]] for row in rows]
        return metric.score_both(rows, [reference[row["id"]] for row in rows], predictions)[1]

    values = {"base": score(reference)} | {run: score(read_predictions(file, rows)) for run, file in answers.items()}
    scored = [n for n in range(len(rows)) if all(column[n] is not None for column in values.values())]
    kept = {run: [value for n in scored if (value := column[n]) is not None] for run, column in values.items()}
    last = read_predictions(list(answers.values())[-1], rows)
    weights = [metric.weigh(last[rows[n]["id"]]) for n in scored] if metric.weigh else None
    first = get_score(kept["base"], confidence, weights, metric.finish)
    points = [CurvePoint(run="base", share=0, rows=0, score=first)]
    for run in answers:
        train = TrainFacts.read(facts[run])
        share, one = float(train.settings.get("share", 1.0)), get_score(kept[run], confidence, weights, metric.finish)
        points.append(CurvePoint(run=run, share=share, rows=train.train_rows, score=one))
    half, whole = list(answers)[-2:]
    gain = get_difference(kept[half], kept[whole], confidence, weights, metric.finish)
    p_value = get_p_value(kept[half], kept[whole], weights)
    result = LearningCurve(
        metric=metric.name,
        title=metric.title,
        unit=metric.unit,
        higher=metric.higher is not False,
        n=len(scored),
        points=points,
        gain=gain,
        p_value=p_value,
        answer=answer(gain, p_value, confidence, metric.unit, metric.higher is not False, points[-1].score),
        provenance=Provenance.start([compare, base, test, *answers.values(), *facts.values()], settings.dump()),
    )
    result.write(out)
    say(result.answer)
    return result


def answer(gain: Score, p_value: float, confidence: float, unit: str, higher: bool, last: Score) -> str:
    """Whether more rows would help, in one sentence.

    Args:
        gain: of all rows over half of them.
        p_value: of its paired test.
        confidence: of the test.
        unit: of the metric.
        higher: more is better.
        last: the score with all rows.
    """
    size = f"{100 * abs(gain.value):.1f} points" if unit == "share" else format_number(abs(gain.value))
    better = gain.value * (1 if higher else -1)
    known = f"{format_interval(gain, unit)}, {format_chance(p_value)}"
    if unit == "share" and higher and last.value == 1:
        return f"More rows cannot help on these test rows: the score is {format_value(last.value)}."
    if p_value < 1 - confidence and better > 0:
        return f"More rows of this kind would probably help: the second half of them still gained {size} ({known})."
    if p_value < 1 - confidence:
        return f"More rows of this kind would probably not help: with all of them the score is {size} worse ({known})."
    reach = max(gain.high, 0.0) if higher else max(-gain.low, 0.0)
    most = f"{100 * reach:.1f} points" if unit == "share" else format_number(reach)
    return (
        f"No sign that more rows of this kind would help: the second half of them changed the score by {size}, no "
        f"more than chance ({known}); a gain of up to {most} cannot be ruled out on {gain.n} test rows."
    )
