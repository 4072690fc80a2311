"""Which metric decides, whether tuned beats base and the rivals that need no training, and the words for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gaslamp.core.contracts import MetricResult, Spread
from gaslamp.core.evaluation_contracts import Baseline, Outcome
from gaslamp.data.rows import Row
from gaslamp.evaluate.baselines import Rival, can_score
from gaslamp.evaluate.gate import FEW_ROWS
from gaslamp.evaluate.metric import Metric
from gaslamp.evaluate.seeds import describe_gain, describe_seeds, is_beyond_spread
from gaslamp.evaluate.stats import get_difference, get_p_value, get_score
from gaslamp.evaluate.unbeaten import describe_unbeaten, keep_whole, show_score
from gaslamp.pages.numbers import format_chance, format_value

Verdict = Literal["better", "no clear difference", "worse"]
Scores = list[float | None]


def choose_deciding(metrics: Sequence[Metric], results: Sequence[MetricResult], confidence: float) -> tuple[int, str]:
    """The place of the deciding metric, and why it is not the first one; empty when it is.

    A metric that the base model has at its best value cannot rise: the next one that has room decides, unless the first
    one fell by more than chance. Nor can one whose scores say nothing (a judge that goes by the place of an answer).
    """
    first = results[0]
    if first.fault:
        why = f"{first.title} cannot decide, {first.fault}"
    elif _is_at_best(first) and (first.p_value >= 1 - confidence or first.tuned.value == first.base.value):
        best = format_value(first.base.value, first.unit)
        why = f"{first.title} was {best} before the training and cannot get better"
    else:
        return 0, ""
    for place, (metric, result) in enumerate(zip(metrics, results, strict=True)):
        can_decide = getattr(metric.module, "DECIDES", True) and result.higher is not None and not result.fault
        if can_decide and not _is_at_best(result):
            return place, f"{why}; {result.title} decides"
    return 0, f"{why}; no other metric can decide"


def _is_at_best(result: MetricResult) -> bool:
    return result.unit == "share" and result.base.value == {True: 1.0, False: 0.0}.get(result.higher is not False)


ANSWERS: dict[Verdict, str] = {
    "better": "The tuned model is better",
    "worse": "The tuned model is worse than the base model",
    "no clear difference": "No clear difference between base and tuned",
}
"""What is said of a verdict where there is no more to say."""


@dataclass(frozen=True)
class Judgement:
    """The verdict, the answer to "is it better?" in words, and the line for every page."""

    verdict: Verdict
    answer: str
    headline: str


def score_rivals(
    rivals: Sequence[Rival],
    metrics: Sequence[Metric],
    rows: list[Row],
    tuned: dict[str, Scores],
    confidence: float,
) -> list[Baseline]:
    """Every rival by the deciding metric, compared with tuned on the same rows, and by the further ones.

    Args:
        rivals: with their answers, or with the reason why there are none.
        metrics: the deciding one first.
        rows: test rows.
        tuned: metric -> scores of tuned on the rows.
        confidence: level of intervals and tests.
    """
    able = [metric for metric in metrics if can_score(metric)]
    found = []
    for rival in rivals:
        if rival.reason:
            found.append(Baseline(name=rival.name, title=rival.title, reason=rival.reason))
            continue
        # an answer is no likelihood: metrics of likelihoods take only the rivals that give scores
        fitting = [metric for metric in able if _fits(metric, rival)]
        values = {metric.name: _score(metric, rows, rival, tuned[metric.name]) for metric in fitting}
        scores = {name: get_score([ours for ours, _ in pairs], confidence) for name, pairs in values.items() if pairs}
        if metrics[0].name not in scores:
            continue
        ours, theirs = (list(column) for column in zip(*values[metrics[0].name], strict=True))
        difference, p = get_difference(ours, theirs, confidence), get_p_value(ours, theirs)
        sign = -1 if metrics[0].higher is False else 1
        gain = sign * difference.value
        outcome: Outcome = "no clear difference"
        if p < 1 - confidence:
            outcome = "beaten" if gain > 0 else "ahead"
        found.append(
            Baseline(
                name=rival.name,
                title=rival.title,
                trivial=rival.trivial,
                score=scores.pop(metrics[0].name),
                difference=difference,
                p_value=p,
                outcome=outcome,
                scores=scores,
            )
        )
    return found


def _fits(metric: Metric, rival: Rival) -> bool:
    given = rival.predictions[0]
    form = "preference" if "scores" in given else "retrieval" if "retrieval" in given else "answer"
    return form in metric.needs


def _score(metric: Metric, rows: list[Row], rival: Rival, tuned: Scores) -> list[tuple[float, float]]:
    """(rival, tuned) for every row that both have a score for."""
    if hasattr(metric.module, "score_set"):
        values = metric.score_all(rows, rival.predictions)
    else:
        values = [metric.score(row, given) for row, given in zip(rows, rival.predictions, strict=True)]
    return [(ours, own) for ours, own in zip(values, tuned, strict=True) if ours is not None and own is not None]


def judge(
    main: MetricResult, baselines: Sequence[Baseline], confidence: float, min_gain: float, seeds: Spread | None = None
) -> Judgement:
    """Better means: than base, by more than chance and by ``min_gain``, and than every trivial baseline.

    A rival that is no trivial one (few-shot prompting, the nearest training row) leaves the verdict and is named.
    With several seeds the mean gain must also be more than their spread.
    """
    verdict = _compare_with_base(main, confidence, min_gain)
    lucky = bool(seeds and verdict != "no clear difference" and not is_beyond_spread(seeds, verdict, main, min_gain))
    verdict = "no clear difference" if lucky else verdict
    answer = ANSWERS[verdict]
    if main.fault:
        return Judgement("no clear difference", answer := f"No verdict, since {main.fault}", answer)
    if seeds and lucky:
        answer = f"No clear difference: {describe_gain(seeds, main)}"
    open_ones = sorted(
        (one for one in baselines if one.score and one.outcome != "beaten"),
        key=lambda one: one.score.value if one.score else 0.0,
        reverse=main.higher is not False,
    )
    trivial = next((one for one in open_ones if one.trivial), None)
    if verdict == "better" and trivial:
        verdict, answer = "no clear difference", _describe_trivial(trivial, main)
    elif verdict == "better" and open_ones:
        answer = f"The tuned model is better than base, {describe_unbeaten(open_ones, main)}"
    before, after = (keep_whole(format_value(score.value, main.unit)) for score in (main.base, main.tuned))
    few = f" (few: under {FEW_ROWS}, so read the interval)" if main.tuned.n < FEW_ROWS else ""
    figures = f"{main.title}: {before} → {after}"
    repeated = f"; {describe_seeds(seeds, main)}" if seeds else ""
    return Judgement(verdict, answer, f"{answer}. {figures} on {main.tuned.n} rows it never saw{few}{repeated}")


def _compare_with_base(main: MetricResult, confidence: float, min_gain: float) -> Verdict:
    if main.higher is None or main.p_value >= 1 - confidence:
        return "no clear difference"
    gain = (main.tuned.value - main.base.value) * (1 if main.higher else -1)
    if gain > 0:
        return "better" if gain >= min_gain else "no clear difference"
    return "worse"


def _describe_trivial(one: Baseline, main: MetricResult) -> str:
    gain = one.difference.value * (-1 if main.higher is False else 1) if one.difference else 0.0
    if gain > 0:
        return f"Not clearly better than {one.title} ({show_score(one, main)}; {format_chance(one.p_value)})"
    return f"{'Worse' if one.outcome == 'ahead' else 'No better'} than {one.title} ({show_score(one, main)})"
