"""Base against tuned: scores with intervals, a paired test, what was forgotten, and a verdict that is computed."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from gaslamp import registry
from gaslamp.console import say
from gaslamp.contracts import Compare, Example, MetricResult, Provenance, Score, Verdict
from gaslamp.errors import GaslampError
from gaslamp.evaluation.questions import get_retention_scores
from gaslamp.evaluation.stats import get_p_value, get_score
from gaslamp.files import read_jsonl, write_json, write_text
from gaslamp.rows import get_prompt, get_reference

SHORT_ANSWER_WORDS = 5


def get_metrics(wanted: list[str], references: list[str]) -> list[ModuleType]:
    """The metric plug-ins to use: as named, or by what the references look like. The first one decides."""
    if wanted:
        return [registry.get("metrics", name) for name in wanted]
    json_match = registry.get("metrics", "json_match")
    if all(json_match.score(reference, reference) and reference.strip()[:1] in "{[" for reference in references):
        names = ["json_match", "exact_match"]
    elif sorted(len(reference.split()) for reference in references)[len(references) // 2] <= SHORT_ANSWER_WORDS:
        names = ["exact_match", "token_f1"]
    else:
        names = ["token_f1", "exact_match"]
    return [registry.get("metrics", name) for name in names]


def get_name(metric: ModuleType) -> str:
    """The plug-in's file name."""
    return metric.__name__.rsplit(".", 1)[-1]


def read_predictions(path: Path, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Predictions by id; every test row must have one."""
    found = {row["id"]: row for row in read_jsonl(path)}
    missing = [row["id"] for row in rows if row["id"] not in found]
    if missing:
        raise GaslampError(f"{path} has no answer for {len(missing)} test rows", f"delete {path} and run the same command")
    return found


def compare_models(settings: Any, base: Path, tuned: Path, test: Path, outputs: dict[str, Path]) -> Compare:
    """Score both and write compare.json, verdict.json and the two readable logs.

    Args:
        settings: slice with eval and data.slice.
        base, tuned: predictions files.
        test: data/test.jsonl.
        outputs: paths for compare, verdict, report, side_by_side.
    """
    confidence = settings.eval.confidence
    rows = list(read_jsonl(test))
    answers = {"base": read_predictions(base, rows), "tuned": read_predictions(tuned, rows)}
    references = [get_reference(row) or "" for row in rows]
    metrics = get_metrics(settings.eval.metrics, references)
    results = [_score_metric(metric, rows, references, answers, confidence) for metric in metrics]
    main, scores = results[0][0], results[0][1]
    examples = [
        Example(
            id=row["id"],
            prompt=get_prompt(row),
            reference=reference,
            base=answers["base"][row["id"]]["text"],
            tuned=answers["tuned"][row["id"]]["text"],
            base_score=before,
            tuned_score=after,
            change="improved" if after > before else "regressed" if after < before else "comparable",
            slice=row.get("slice"),
        )
        for row, reference, before, after in zip(rows, references, scores["base"], scores["tuned"], strict=True)
    ]
    retention, lost = _score_retention(answers, confidence)
    verdict = _decide(main, confidence)
    compare = Compare(
        n=len(rows),
        confidence=confidence,
        metrics=[result for result, _ in results],
        stop_rate={who: sum(found[row["id"]]["stopped"] for row in rows) / len(rows) for who, found in answers.items()},
        retention=retention,
        retention_lost=lost,
        gained=sum(example.change == "improved" for example in examples),
        lost=sum(example.change == "regressed" for example in examples),
        examples=examples,
        verdict=verdict,
        headline=_get_headline(main, verdict),
        seconds={who: round(sum(row["seconds"] for row in found.values()), 1) for who, found in answers.items()},
        provenance=Provenance.start([base, tuned, test], settings.dump()),
    )
    gate = get_verdict(compare, settings.eval)
    compare.write(outputs["compare"])
    write_text(outputs["report"], render_report(compare, gate))
    write_text(outputs["side_by_side"], render_side_by_side(compare))
    write_json(outputs["verdict"], gate.model_dump())
    say(gate.summary)
    return compare


def _score_metric(
    metric: ModuleType, rows: list[dict[str, Any]], references: list[str], answers: dict[str, dict[str, Any]], confidence: float
) -> tuple[MetricResult, dict[str, list[float]]]:
    scores = {
        who: [metric.score(found[row["id"]]["text"], reference) for row, reference in zip(rows, references, strict=True)]
        for who, found in answers.items()
    }
    slices = {}
    for value in sorted({row["slice"] for row in rows if "slice" in row}):
        members = [i for i, row in enumerate(rows) if row.get("slice") == value]
        slices[value] = {who: get_score([values[i] for i in members], confidence) for who, values in scores.items()}
    result = MetricResult(
        name=get_name(metric),
        title=metric.TITLE,
        base=get_score(scores["base"], confidence),
        tuned=get_score(scores["tuned"], confidence),
        p_value=get_p_value(scores["base"], scores["tuned"]),
        slices=slices if len(slices) > 1 else {},
    )
    return result, scores


def _score_retention(answers: dict[str, dict[str, Any]], confidence: float) -> tuple[dict[str, Score], list[str]]:
    if not any(row["kind"] == "retention" for row in answers["base"].values()):
        return {}, []
    scores = {who: get_retention_scores({key: row["text"] for key, row in found.items()}) for who, found in answers.items()}
    lost = [question for key, (question, hit) in scores["base"].items() if hit and not scores["tuned"][key][1]]
    return {who: get_score([hit for _, hit in found.values()], confidence) for who, found in scores.items()}, lost


def _decide(main: MetricResult, confidence: float) -> Any:
    if main.p_value >= 1 - confidence:
        return "no clear difference"
    return "better" if main.tuned.value > main.base.value else "worse"


def format_score(score: Score) -> str:
    """``93.5 % (89.2 to 96.2, n = 200)``"""
    return f"{score.value:.1%} ({score.low:.1%} to {score.high:.1%}, n = {score.n})".replace("%", " %")


def _get_headline(main: MetricResult, verdict: str) -> str:
    # no-break spaces: a figure and its sign stay on one line, whatever the width of the page
    figures = f"{main.title}: {main.base.value:.1%} → {main.tuned.value:.1%}".replace("%", "\u00a0%")
    words = {
        "better": "The tuned model is better",
        "worse": "The tuned model is worse than the base model",
        "no clear difference": "No clear difference between base and tuned",
    }
    return f"{words[verdict]}. {figures} on {main.tuned.n} rows it never saw"


def get_verdict(compare: Compare, settings: Any) -> Verdict:
    """The gate in front of the export: tuned must be better than base, unless the config only wants a warning."""
    blocking, warnings = [], []
    if compare.verdict != "better":
        blocking.append(f"tuned is not better than base ({compare.verdict}, p = {compare.metrics[0].p_value:.3f})")
    if compare.retention:
        lost = compare.retention["base"].value - compare.retention["tuned"].value
        if lost > settings.max_forgetting:
            warnings.append(f"{lost:.0%} of the general questions were forgotten (eval.max_forgetting allows {settings.max_forgetting:.0%})")
    if compare.stop_rate["tuned"] < 0.95:
        warnings.append(f"only {compare.stop_rate['tuned']:.0%} of the tuned answers ended by themselves")
    override = None
    if blocking and settings.gate == "warn":
        warnings, blocking, override = [*blocking, *warnings], [], "eval.gate: warn"
    return Verdict(
        passed=not blocking, verdict=compare.verdict, summary=compare.headline, blocking=blocking, warnings=warnings, override=override
    )


def require(verdict_file: Path) -> None:
    """Stop when a gate did not pass. Raises GaslampError with what to try, in order."""
    from gaslamp.files import read_json

    verdict = Verdict.model_validate(read_json(verdict_file))
    if not verdict.passed:
        raise GaslampError(
            f"{verdict_file} blocks the export: {'; '.join(verdict.blocking)}",
            "look at logs/<run>/eval_compare.log; then try more rows, more steps (train.epochs), another learning rate",
            "export it all the same: set eval.gate: warn in config.yaml (the override is recorded)",
        )


def render_report(compare: Compare, gate: Verdict) -> str:
    """logs/<run>/eval.log: every figure."""
    lines = [gate.summary, ""]
    for metric in compare.metrics:
        lines += [f"{metric.title}", f"  base   {format_score(metric.base)}", f"  tuned  {format_score(metric.tuned)}", f"  p      {metric.p_value:.2g}"]
        for value, scores in metric.slices.items():
            lines.append(f"  {value}: base {format_score(scores['base'])}, tuned {format_score(scores['tuned'])}")
        lines.append("")
    lines.append(f"rows gained {compare.gained}, lost {compare.lost}")
    lines.append("ended by itself: " + ", ".join(f"{who} {share:.0%}" for who, share in compare.stop_rate.items()))
    if compare.retention:
        lines += ["general questions (retention)", *(f"  {who:6} {format_score(score)}" for who, score in compare.retention.items())]
        lines += [f"  forgotten: {question}" for question in compare.retention_lost]
    lines += [f"warning: {text}" for text in gate.warnings] + [f"blocking: {text}" for text in gate.blocking]
    return "\n".join(lines) + "\n"


def render_side_by_side(compare: Compare) -> str:
    """logs/<run>/eval_compare.log: what both really said, row by row."""
    blocks = []
    for number, example in enumerate(compare.examples, 1):
        prompt = example.prompt[-1]["content"]
        blocks.append(
            f"--- {number} of {compare.n}: {example.change} ({example.base_score:g} -> {example.tuned_score:g})"
            f"{f', {example.slice}' if example.slice else ''}\n"
            f"prompt:    {prompt}\nreference: {example.reference}\nbase:      {example.base}\ntuned:     {example.tuned}\n"
        )
    return "\n".join(blocks)
