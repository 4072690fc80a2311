"""Base against tuned: scores with intervals, a paired test, what was forgotten, and a verdict that is computed."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from gaslamp.config.sections.diagnose import AnswerLimits
from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.contracts import Compare, MetricResult, Provenance, Score, TrainFacts
from gaslamp.core.decisions import Decision
from gaslamp.core.files import read_json, read_jsonl, write_json, write_text
from gaslamp.data.rows import Row, get_kind
from gaslamp.evaluate.baselines import get_baseline_names, get_cheap_rivals
from gaslamp.evaluate.choose_metrics import choose_metrics, choose_served_metrics, explain_choice
from gaslamp.evaluate.deciding import choose_deciding, judge, score_rivals
from gaslamp.evaluate.diagnose import diagnose_answers
from gaslamp.evaluate.evaluated import Evaluated
from gaslamp.evaluate.examples import get_content, make_examples
from gaslamp.evaluate.gate import get_verdict
from gaslamp.evaluate.metric import Metric
from gaslamp.evaluate.mistakes import WORST, count_mistakes, find_wrong, get_mistakes, suggest_next
from gaslamp.evaluate.near_duplicates import find_near_duplicates
from gaslamp.evaluate.page import write_page
from gaslamp.evaluate.predictions import Answers, ended_with_an_answer, read_predictions
from gaslamp.evaluate.prompted_rivals import read_rivals
from gaslamp.evaluate.retention import get_retention_scores, read_retention
from gaslamp.evaluate.seeds import score_seeds
from gaslamp.evaluate.slices import get_slices
from gaslamp.evaluate.stats import adjust_holm, get_difference, get_p_value, get_score, get_test_name
from gaslamp.evaluate.text_report import render_report, render_side_by_side
from gaslamp.evaluate.training_rows import TrainingRows
from gaslamp.train.advice import read_tried

Item = TypeVar("Item")


def compare_models(
    settings: Slice,
    base: Path,
    tuned: Path,
    test: Path,
    outputs: dict[str, Path],
    train: Path | None = None,
    facts: Path | None = None,
    target: str = "adapter",
    lm_eval: dict[str, Path] | None = None,
    rivals: dict[str, Path] | None = None,
    seeds: dict[str, Path] | None = None,
) -> Compare:
    """Score both and write compare.json, verdict.json, the page and the two readable logs.

    Args:
        settings: slice with eval, diagnose.answers, data.slice, method and train.rewards.
        base, tuned: predictions files.
        test: data/test.jsonl.
        outputs: paths for compare, verdict, report, side_by_side and page.
        train: data/train.jsonl, to mark near-duplicates of training rows; ``None``: they are not searched.
        facts: train.json, for the advice.
        target: what the tuned predictions come from.
        lm_eval: base | tuned -> results file of lm-evaluation-harness.
        rivals: few_shot | format -> predictions of the base model prompted in that way.
        seeds: run of the same training with another seed -> its predictions.
    """
    confidence = settings.eval.confidence
    rows = list(read_jsonl(test))
    answers = {"base": read_predictions(base, rows), "tuned": read_predictions(tuned, rows)}
    metrics = choose_metrics(settings, rows)
    if target not in ("adapter", "merged"):
        metrics = choose_served_metrics(metrics, rows, [found[row["id"]] for found in answers.values() for row in rows])
    near = find_near_duplicates(rows, read_jsonl(train)) if train else {}
    training = TrainingRows.read(read_jsonl(train)) if train else None
    slices = get_slices(rows, settings.data.slice, settings.eval.slices, set(near))
    scored = [score_metric(metric, rows, answers, confidence, slices) for metric in metrics]
    place, moved = choose_deciding(metrics, [result for result, _ in scored], confidence)
    reason, first = moved or explain_choice(settings, rows, metrics[0]), metrics[0].name
    metrics, scored = _put_first(metrics, place), _put_first(scored, place)
    results, scores = [result for result, _ in scored], {result.name: values for result, values in scored}
    for result, p in zip(results[1:], adjust_holm([result.p_value for result in results[1:]]), strict=True):
        result.p_adjusted = p
    main = results[0]
    names = get_baseline_names(settings.eval.baselines)
    found_rivals = [*get_cheap_rivals(names, rows, training), *read_rivals(rivals or {}, rows)]
    tuned_scores = {name: values["tuned"] for name, values in scores.items()}
    baselines = score_rivals(found_rivals, metrics, rows, tuned_scores, confidence)
    examples = make_examples(rows, answers, main, scores, near)
    own = Path(settings.eval.retention_file) if settings.eval.retention_file else None
    retention, lost = _score_retention(answers, confidence, own)
    run = facts.parent.name if facts else "tuned"
    spread = score_seeds(seeds or {}, run, metrics, results, rows, answers["base"], confidence)
    judgement = judge(main, baselines, confidence, settings.eval.min_gain, spread)
    compare = Compare(
        n=len(rows),
        kind=get_kind(rows[0]),
        target=target,
        confidence=confidence,
        sampling=settings.eval.sampling.dump(),
        metrics=results,
        deciding=Decision(name="deciding metric", value=main.name, reason=reason),
        first=first,
        baselines=baselines,
        seeds=spread,
        stop_rate={
            who: sum(ended_with_an_answer(found[row["id"]], row) for row in rows) / len(rows)
            for who, found in answers.items()
        },
        retention=retention,
        retention_lost=lost,
        lm_eval=_read_lm_eval(lm_eval or {}),
        near_duplicates=len(near),
        identical=sum(
            get_content(answers["base"][row["id"]]) == get_content(answers["tuned"][row["id"]]) for row in rows
        ),
        gained=sum(example.change == "improved" for example in examples),
        lost=sum(example.change == "regressed" for example in examples),
        examples=examples,
        verdict=judgement.verdict,
        answer=judgement.answer,
        headline=judgement.headline,
        seconds={who: round(sum(row["seconds"] for row in found.values()), 1) for who, found in answers.items()},
        provenance=Provenance.start(
            [base, tuned, test, *([train] if train else []), *(seeds or {}).values()], settings.dump()
        ),
    )
    train_facts = TrainFacts.read(facts) if facts else None
    evaluated = Evaluated(
        compare=compare,
        rows=rows,
        base=[answers["base"][row["id"]] for row in rows],
        tuned=[answers["tuned"][row["id"]] for row in rows],
        scores=scores[main.name],
        slices=slices,
        training=training,
        general=_get_general(answers, own) if retention else [],
        facts=train_facts,
        max_new_tokens=settings.eval.max_new_tokens,
    )
    compare.findings = diagnose_answers(evaluated, AnswerLimits.model_validate(settings.diagnose.answers.dump()))
    wrong = find_wrong(evaluated)
    mistakes = get_mistakes(evaluated, wrong)
    for n, texts in mistakes.items():
        examples[n].mistakes = texts
    compare.wrong, compare.worst = len(wrong), evaluated.get_ids(wrong[:WORST])
    compare.mistakes = count_mistakes(mistakes)
    compare.next_steps = suggest_next(compare.mistakes, len(wrong), [finding.name for finding in compare.findings])
    tried = read_tried(facts.parents[1], facts.parent.name) if facts else []
    gate = get_verdict(compare, settings.eval, train_facts, tried)
    compare.write(outputs["compare"])
    write_text(outputs["report"], render_report(compare, gate))
    write_text(outputs["side_by_side"], render_side_by_side(compare))
    if "page" in outputs:
        write_page(compare, gate, outputs["page"], test.parent)
    write_json(outputs["verdict"], gate.model_dump())
    say(gate.summary)
    return compare


def score_metric(
    metric: Metric,
    rows: list[Row],
    answers: dict[str, Answers],
    confidence: float,
    slices: dict[str, list[int]],
) -> tuple[MetricResult, dict[str, list[float | None]]]:
    """One metric on base and tuned: its result, and the scores of all rows in order.

    Args:
        metric: the plug-in.
        rows: test rows.
        answers: base | tuned -> predictions by row id.
        confidence: level of the intervals.
        slices: name -> positions of its rows.
    """
    predictions = {who: [found[row["id"]] for row in rows] for who, found in answers.items()}
    base, tuned = metric.score_both(rows, predictions["base"], predictions["tuned"])
    scores = {"base": base, "tuned": tuned}

    def take(members: list[int]) -> tuple[dict[str, list[float]], list[float] | None]:
        scored_rows = [n for n in members if base[n] is not None]
        values = {who: [value for n in scored_rows if (value := found[n]) is not None] for who, found in scores.items()}
        weights = [metric.weigh(predictions["tuned"][n]) for n in scored_rows] if metric.weigh else None
        return values, weights

    everything, weights = take(list(range(len(rows))))
    parts, chances = {}, {}
    for name, members in slices.items():
        values, mass = take(members)
        if values["base"]:
            parts[name] = {who: get_score(found, confidence, mass, metric.finish) for who, found in values.items()}
            chances[name] = get_p_value(values["base"], values["tuned"], mass)
    details = {who: report for who in scores if (report := metric.report(rows, predictions[who], scores[who]))}
    result = MetricResult(
        name=metric.name,
        title=metric.title,
        base=get_score(everything["base"], confidence, weights, metric.finish),
        tuned=get_score(everything["tuned"], confidence, weights, metric.finish),
        p_value=get_p_value(everything["base"], everything["tuned"], weights),
        difference=get_difference(everything["base"], everything["tuned"], confidence, weights, metric.finish),
        higher=metric.higher,
        unit=metric.unit,
        test=get_test_name(everything["base"], everything["tuned"], weights),
        about=metric.about,
        fault=metric.find_fault(predictions["tuned"]),
        slices=parts,
        slice_p=dict(zip(chances, adjust_holm(list(chances.values())), strict=True)),
        details=details,
    )
    return result, scores


def _put_first(items: list[Item], place: int) -> list[Item]:
    return [items[place], *items[:place], *items[place + 1 :]]


def _score_retention(
    answers: dict[str, Answers], confidence: float, own: Path | None
) -> tuple[dict[str, Score], list[str]]:
    if not any(row["kind"] == "retention" for row in answers["base"].values()):
        return {}, []
    if not any(row["kind"] == "retention" for row in answers["tuned"].values()):
        return {}, []  # an endpoint or a file that was evaluated on the test rows only
    scores = {
        who: get_retention_scores({key: row["text"] for key, row in found.items()}, own)
        for who, found in answers.items()
    }
    lost = [question for key, (question, hit) in scores["base"].items() if hit and not scores["tuned"][key][1]]
    return {who: get_score([hit for _, hit in found.values()], confidence) for who, found in scores.items()}, lost


def _get_general(answers: dict[str, Answers], own: Path | None) -> list[tuple[str, str, str]]:
    """Question, answer of base and answer of tuned, of every general question."""
    return [
        (row["messages"][-1]["content"], answers["base"][row["id"]]["text"], answers["tuned"][row["id"]]["text"])
        for row in read_retention(own)
    ]


def _read_lm_eval(files: dict[str, Path]) -> dict[str, dict[str, Score]]:
    """``task, metric`` -> base | tuned -> score with the harness's own standard error."""
    found: dict[str, dict[str, Score]] = {}
    for who, file in files.items():
        for name, value in read_json(file)["scores"].items():
            found.setdefault(name, {})[who] = Score.model_validate(value)
    return found
