"""Base against tuned: scores with intervals, a paired test, what was forgotten, and a verdict that is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gaslamp.core.console import say
from gaslamp.core.contracts import Compare, Example, MetricResult, Provenance, Score, TrainFacts, Verdict
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, read_jsonl, write_json, write_text
from gaslamp.data.rows import get_images, get_kind, get_prompt, get_reference, get_text
from gaslamp.evaluate.metric import Metric, choose_file_metrics, choose_metrics
from gaslamp.evaluate.nearness import find_near
from gaslamp.evaluate.questions import ASKING, get_retention_scores
from gaslamp.evaluate.slices import get_slices
from gaslamp.evaluate.stats import get_difference, get_p_value, get_score
from gaslamp.pages.numbers import format_chance, format_score, format_value

WORST = 20
STOPPED = 0.95  # share of answers that must end by themselves
SPREAD = 0.1  # half an interval wider than this: too few rows to tell
SEEN = 0.1  # share of near-duplicates from which a score may be memory

Answers = dict[str, dict[str, Any]]


def read_predictions(path: Path, rows: list[dict[str, Any]]) -> Answers:
    """Predictions by id; every test row must have one."""
    found = {row["id"]: row for row in read_jsonl(path)}
    missing = [row["id"] for row in rows if row["id"] not in found]
    if missing:
        raise GaslampError(
            f"{path} has no answer for {len(missing)} test rows", f"delete {path} and run the same command"
        )
    return found


def compare_models(
    settings: Any,
    base: Path,
    tuned: Path,
    test: Path,
    outputs: dict[str, Path],
    train: Path | None = None,
    facts: Path | None = None,
    target: str = "adapter",
    lm_eval: dict[str, Path] | None = None,
) -> Compare:
    """Score both and write compare.json, verdict.json, the page and the two readable logs.

    Args:
        settings: slice with eval, data.slice, method and train.rewards.
        base, tuned: predictions files.
        test: data/test.jsonl.
        outputs: paths for compare, verdict, report, side_by_side and page.
        train: data/train.jsonl, to mark test rows that training nearly saw; ``None``: they are not looked for.
        facts: train.json, for the advice.
        target: what the tuned predictions come from.
        lm_eval: base | tuned -> results file of lm-evaluation-harness.
    """
    confidence = settings.eval.confidence
    rows = list(read_jsonl(test))
    answers = {"base": read_predictions(base, rows), "tuned": read_predictions(tuned, rows)}
    metrics = choose_metrics(settings, rows)
    if target not in ("adapter", "merged"):
        metrics = choose_file_metrics(metrics, rows, [found[row["id"]] for found in answers.values() for row in rows])
    near = find_near(rows, read_jsonl(train)) if train else {}
    slices = get_slices(rows, settings.data.slice, settings.eval.slices, set(near))
    scored = [score_metric(metric, rows, answers, confidence, slices) for metric in metrics]
    results, scores = [result for result, _ in scored], {result.name: values for result, values in scored}
    main = results[0]
    examples = _get_examples(rows, answers, main, scores, near)
    own = Path(settings.eval.retention_file) if settings.eval.retention_file else None
    retention, lost = _score_retention(answers, confidence, own)
    verdict = _decide(main, confidence, settings.eval.min_gain)
    judged = [example for example in examples if example.tuned_score is not None]
    sign = -1 if main.higher is False else 1
    compare = Compare(
        n=len(rows),
        kind=get_kind(rows[0]),
        target=target,
        confidence=confidence,
        sampling=settings.eval.sampling.dump(),
        metrics=results,
        stop_rate={who: sum(found[row["id"]]["stopped"] for row in rows) / len(rows) for who, found in answers.items()},
        retention=retention,
        retention_lost=lost,
        lm_eval=_read_lm_eval(lm_eval or {}),
        near_duplicates=len(near),
        identical=sum(
            _get_content(answers["base"][row["id"]]) == _get_content(answers["tuned"][row["id"]]) for row in rows
        ),
        gained=sum(example.change == "improved" for example in examples),
        lost=sum(example.change == "regressed" for example in examples),
        worst=[
            example.id
            for example in sorted(
                judged,
                key=lambda e: (sign * (e.tuned_score or 0.0), sign * ((e.tuned_score or 0.0) - (e.base_score or 0.0))),
            )[:WORST]
        ],
        examples=examples,
        verdict=verdict,
        headline=_get_headline(main, verdict),
        seconds={who: round(sum(row["seconds"] for row in found.values()), 1) for who, found in answers.items()},
        provenance=Provenance.start([base, tuned, test, *([train] if train else [])], settings.dump()),
    )
    gate = get_verdict(compare, settings.eval, TrainFacts.read(facts) if facts else None)
    compare.write(outputs["compare"])
    write_text(outputs["report"], render_report(compare, gate))
    write_text(outputs["side_by_side"], render_side_by_side(compare))
    if "page" in outputs:
        from gaslamp.evaluate.page import write_page

        write_page(compare, gate, outputs["page"], test.parent)
    write_json(outputs["verdict"], gate.model_dump())
    say(gate.summary)
    return compare


def score_metric(
    metric: Metric,
    rows: list[dict[str, Any]],
    answers: dict[str, Answers],
    confidence: float,
    slices: dict[str, list[int]],
) -> tuple[MetricResult, dict[str, list[float | None]]]:
    """One metric on base and tuned: figures with intervals, the paired test, every slice, and the scores of the rows in order."""
    predictions = {who: [found[row["id"]] for row in rows] for who, found in answers.items()}
    base, tuned = metric.score_both(rows, predictions["base"], predictions["tuned"])
    scores = {"base": base, "tuned": tuned}

    def take(members: list[int]) -> tuple[dict[str, list[float]], list[float] | None]:
        judged = [n for n in members if base[n] is not None]
        values = {who: [value for n in judged if (value := found[n]) is not None] for who, found in scores.items()}
        weights = [metric.weigh(predictions["tuned"][n]) for n in judged] if metric.weigh else None
        return values, weights

    everything, weights = take(list(range(len(rows))))
    parts = {}
    for name, members in slices.items():
        values, mass = take(members)
        if values["base"]:
            parts[name] = {who: get_score(found, confidence, mass, metric.finish) for who, found in values.items()}
    details = {who: report for who in scores if (report := metric.report(rows, predictions[who], scores[who]))}
    binary = weights is None and set(everything["base"]) | set(everything["tuned"]) <= {0.0, 1.0}
    result = MetricResult(
        name=metric.name,
        title=metric.title,
        base=get_score(everything["base"], confidence, weights, metric.finish),
        tuned=get_score(everything["tuned"], confidence, weights, metric.finish),
        p_value=get_p_value(everything["base"], everything["tuned"], weights),
        difference=get_difference(everything["base"], everything["tuned"], confidence, weights, metric.finish),
        higher=metric.higher,
        unit=metric.unit,
        test="McNemar's exact test" if binary else "sign flips of the paired differences",
        about=metric.about,
        slices=parts,
        details=details,
    )
    return result, scores


def _get_examples(
    rows: list[dict[str, Any]],
    answers: dict[str, Answers],
    main: MetricResult,
    scores: dict[str, dict[str, list[float | None]]],
    near: dict[str, tuple[str, float]],
) -> list[Example]:
    examples = []
    sign = -1 if main.higher is False else 1
    for number, row in enumerate(rows):
        before, after = scores[main.name]["base"][number], scores[main.name]["tuned"][number]
        gain = sign * (after - before) if before is not None and after is not None and main.higher is not None else 0.0
        found = {who: answers[who][row["id"]] for who in answers}
        parts = found["base"].get("rewards", {})
        examples.append(
            Example(
                id=row["id"],
                prompt=get_shown_prompt(row),
                reference=get_shown_reference(row),
                rated_bad=get_kind(row) == "rating" and not row["label"],
                base=get_shown_answer(found["base"]),
                tuned=get_shown_answer(found["tuned"]),
                base_score=before,
                tuned_score=after,
                change="improved" if gain > 0 else "regressed" if gain < 0 else "comparable",
                slice=row.get("slice"),
                scores={name: [values["base"][number], values["tuned"][number]] for name, values in scores.items()},
                columns={
                    key: value
                    for key, value in row.get("columns", {}).items()
                    if value is None or isinstance(value, str | int | float | bool)
                },
                images=get_images(get_prompt(row)),
                near=f"{near[row['id']][0]}, {near[row['id']][1]:.0%} the same words".replace("%", " %")
                if row["id"] in near
                else None,
                rewards={label: [value, found["tuned"]["rewards"][label]] for label, value in parts.items()},
            )
        )
    return examples


def get_shown_prompt(row: dict[str, Any]) -> list[dict[str, Any]]:
    """What was asked, as text: images stand as [image], running text and anchors as one turn."""
    kind = get_kind(row)
    if kind == "text":
        return [{"role": "text", "content": row["text"]}]
    if kind == "pair":
        return [{"role": "user", "content": row["anchor"]}]
    shown = []
    for message in get_prompt(row):
        text = "[image] " * len(get_images([message])) + get_text(message)
        calls = "".join(
            f"\n[calls {call.get('function', call).get('name')}]" for call in message.get("tool_calls") or []
        )
        shown.append({"role": message["role"], "content": text + calls})
    return shown


def get_shown_reference(row: dict[str, Any]) -> str:
    """The answer a good model would give, as text; what is said instead where there is none."""
    kind = get_kind(row)
    if kind == "pair":
        return str(row["positive"])
    if kind == "rating" and not row["label"]:
        return get_text(row["completion"][-1])
    return get_reference(row) or ""


def get_shown_answer(prediction: dict[str, Any]) -> str:
    """What a model said; where it says nothing, what it thinks of the given texts."""
    if prediction.get("text"):
        return str(prediction["text"])
    if "scores" in prediction:
        return ", ".join(f"{name} {value:.3f}" for name, value in prediction["scores"].items())
    if "retrieval" in prediction:
        found = prediction["retrieval"]
        return f"the right text is number {found['rank']} of {found['of']}"
    return ", ".join(
        f"{name}: {-found['logp'] / found['tokens']:.3f} nats a token"
        for name, found in prediction.get("likelihood", {}).items()
    )


def _get_content(prediction: dict[str, Any]) -> Any:
    """All that a model said of a row, without the clock."""
    return [prediction.get(key) for key in ("text", "likelihood", "scores", "retrieval")]


def _score_retention(
    answers: dict[str, Answers], confidence: float, own: Path | None
) -> tuple[dict[str, Score], list[str]]:
    if not any(row["kind"] == "retention" for row in answers["base"].values()):
        return {}, []
    if not any(row["kind"] == "retention" for row in answers["tuned"].values()):
        return {}, []  # an endpoint or a file that was asked the test rows only
    scores = {
        who: get_retention_scores({key: row["text"] for key, row in found.items()}, own)
        for who, found in answers.items()
    }
    lost = [question for key, (question, hit) in scores["base"].items() if hit and not scores["tuned"][key][1]]
    return {who: get_score([hit for _, hit in found.values()], confidence) for who, found in scores.items()}, lost


def _read_lm_eval(files: dict[str, Path]) -> dict[str, dict[str, Score]]:
    """``task, metric`` -> base | tuned -> score with the harness's own standard error."""
    found: dict[str, dict[str, Score]] = {}
    for who, file in files.items():
        for name, value in read_json(file)["scores"].items():
            found.setdefault(name, {})[who] = Score.model_validate(value)
    return found


def _decide(main: MetricResult, confidence: float, min_gain: float) -> Any:
    if main.higher is None or main.p_value >= 1 - confidence:
        return "no clear difference"
    gain = (main.tuned.value - main.base.value) * (1 if main.higher else -1)
    if gain > 0:
        return "better" if gain >= min_gain else "no clear difference"
    return "worse"


def _get_headline(main: MetricResult, verdict: str) -> str:
    # no-break spaces: a figure and its sign stay on one line, whatever the width of the page
    before, after = [format_value(score.value, main.unit).replace(" ", "\u00a0") for score in (main.base, main.tuned)]
    figures = f"{main.title}: {before} → {after}"
    words = {
        "better": "The tuned model is better",
        "worse": "The tuned model is worse than the base model",
        "no clear difference": "No clear difference between base and tuned",
    }
    return f"{words[verdict]}. {figures} on {main.tuned.n} rows it never saw"


def get_verdict(compare: Compare, settings: Any, train: TrainFacts | None = None) -> Verdict:
    """The gate in front of the export: tuned must be better than base, unless the config only wants a warning."""
    main = compare.metrics[0]
    blocking, warnings, override = [], [], []
    if compare.verdict != "better":
        blocking.append(f"tuned is not better than base ({compare.verdict}, {format_chance(main.p_value)})")
    reached = main.tuned.value if main.higher is not False else -main.tuned.value
    if settings.min_score is not None and reached < (
        settings.min_score if main.higher is not False else -settings.min_score
    ):
        blocking.append(
            f"{main.title} is {format_value(main.tuned.value, main.unit)}; eval.min_score asks for {format_value(settings.min_score, main.unit)}"
        )
    if blocking and settings.gate == "warn":
        warnings, blocking, override = blocking, [], ["eval.gate: warn"]
    if compare.retention:
        lost = compare.retention["base"].value - compare.retention["tuned"].value
        if lost > settings.max_forgetting:
            text = f"{lost:.0%} of the general questions were forgotten (eval.max_forgetting allows {settings.max_forgetting:.0%})"
            (blocking if settings.forgetting_gate == "block" else warnings).append(text)
    for name, scores in compare.lm_eval.items():
        drop = scores["base"].value - scores["tuned"].value if {"base", "tuned"} <= set(scores) else 0.0
        if drop > settings.max_forgetting:
            text = f"{name} fell by {drop:.0%} (eval.max_forgetting allows {settings.max_forgetting:.0%})"
            (blocking if settings.forgetting_gate == "block" else warnings).append(text)
    if compare.kind in ASKING and compare.stop_rate["tuned"] < STOPPED:
        warnings.append(f"only {compare.stop_rate['tuned']:.0%} of the tuned answers ended by themselves")
    if compare.identical == compare.n:
        warnings.append(
            "base and tuned gave the very same answer to every row: the training changed nothing, or its result was not loaded"
        )
    if compare.near_duplicates >= SEEN * compare.n:
        share = compare.near_duplicates / compare.n
        warnings.append(f"{share:.0%} of the test rows ask nearly what a training row asks: the score may be memory")
    return Verdict(
        passed=not blocking,
        verdict=compare.verdict,
        summary=compare.headline,
        blocking=blocking,
        warnings=warnings,
        advice=get_advice(compare, settings, train),
        override=override[0] if override else None,
    )


def get_advice(compare: Compare, settings: Any, train: TrainFacts | None = None) -> list[str]:
    """What to try, first things first: mistakes before settings, settings before more work. Empty when all is well."""
    main, advice = compare.metrics[0], []
    if compare.identical == compare.n:
        advice.append(
            "look whether the adapter was trained at all: logs/<run>/train_model.log, and the losses in outputs/<run>/train.json"
        )
    if compare.kind in ASKING and compare.stop_rate["tuned"] < STOPPED:
        advice.append(
            "answers are cut: raise eval.max_new_tokens; when they run on and on, the end of the turn was not learnt: "
            "look at the trained tokens in data/template.json, and whether data.max_truncated cut the rows"
        )
    if compare.near_duplicates >= SEEN * compare.n:
        advice.append(
            "take near-duplicates out of the data (data.checks), or trust only the slice 'not near a training row'"
        )
    if (
        compare.retention
        and compare.retention["base"].value - compare.retention["tuned"].value > settings.max_forgetting
    ):
        advice.append("against forgetting: raise data.rehearsal, then lower train.learning_rate or train.epochs")
    if compare.verdict == "better":
        return advice
    if (
        train
        and train.valid_loss_first is not None
        and train.valid_loss_last is not None
        and train.valid_loss_last > train.valid_loss_first
    ):
        advice.append("the loss on unseen rows rose while it trained: halve train.learning_rate, or train fewer epochs")
    elif train and train.loss_last > 0.9 * train.loss_first:
        advice.append("the loss hardly fell: raise train.learning_rate (double it), or train longer (train.epochs)")
    if main.unit == "share" and main.higher and main.base.value > 0.95:
        advice.append(
            f"the base model already has {format_value(main.base.value)}: there is little to gain, or the test rows are too easy"
        )
    if compare.verdict == "worse":
        advice.append(
            "read logs/<run>/eval_compare.log: when the answers are sensible and the references are not, the data has wrong or swapped labels"
        )
        advice.append("halve train.learning_rate")
    elif main.difference and main.unit == "share" and (main.difference.high - main.difference.low) / 2 > SPREAD:
        advice.append(f"{main.tuned.n} test rows leave a wide interval: raise data.split.test or data.split.max_test")
    advice += [
        "read the rows that were lost in outputs/<run>/eval/report.html: what do they have in common?",
        "add rows like them to the data; then more steps (train.epochs), another train.learning_rate, a larger model",
    ]
    return advice


def require(verdict_file: Path) -> None:
    """Stop when a gate did not pass. Raises GaslampError with what to try, in order."""
    verdict = Verdict.model_validate(read_json(verdict_file))
    if not verdict.passed:
        steps = verdict.advice or [
            "look at logs/<run>/eval_compare.log; then try more rows, more steps (train.epochs), another learning rate"
        ]
        key = (
            "eval.forgetting_gate"
            if all("forgotten" in text or "fell by" in text for text in verdict.blocking)
            else "eval.gate"
        )
        raise GaslampError(
            f"{verdict_file} blocks the export: {'; '.join(verdict.blocking)}",
            "try, in this order: " + "; ".join(f"({number}) {text}" for number, text in enumerate(steps, 1)),
            f"export it all the same: set {key}: warn in config.yaml (the override is recorded)",
        )


def render_report(compare: Compare, gate: Verdict) -> str:
    """logs/<run>/eval.log: every figure."""
    lines = [gate.summary, ""]
    for metric in compare.metrics:
        unit = metric.unit
        lines += [
            metric.title,
            f"  base   {format_score(metric.base, unit)}",
            f"  tuned  {format_score(metric.tuned, unit)}",
        ]
        lines.append(f"  p      {metric.p_value:.2g}{', ' + metric.test if metric.test else ''}")
        if metric.difference:
            lines.append(f"  tuned - base  {format_score(metric.difference, unit)}")
        for value, scores in metric.slices.items():
            lines.append(
                f"  {value}: base {format_score(scores['base'], unit)}, tuned {format_score(scores['tuned'], unit)}"
            )
        for who, details in metric.details.items():
            lines += [f"  {who}: {line}" for line in _render_details(details)]
        lines.append("")
    how = (
        "greedy"
        if not compare.sampling.get("temperature")
        else ", ".join(f"{key} {value}" for key, value in compare.sampling.items())
    )
    lines.append(
        f"answers were made {how}; rows gained {compare.gained}, lost {compare.lost}, same answer {compare.identical}"
    )
    lines.append("ended by itself: " + ", ".join(f"{who} {share:.0%}" for who, share in compare.stop_rate.items()))
    lines.append(f"test rows that ask nearly what a training row asks: {compare.near_duplicates}")
    if compare.retention:
        lines += [
            "general questions (retention)",
            *(f"  {who:6} {format_score(score)}" for who, score in compare.retention.items()),
        ]
        lines += [f"  forgotten: {question}" for question in compare.retention_lost]
    for name, found in compare.lm_eval.items():
        lines += [
            f"lm-evaluation-harness: {name}",
            *(f"  {who:6} {format_score(score)}" for who, score in found.items()),
        ]
    lines += [f"warning: {text}" for text in gate.warnings] + [f"blocking: {text}" for text in gate.blocking]
    lines += [f"try ({number}): {text}" for number, text in enumerate(gate.advice, 1)]
    return "\n".join(lines) + "\n"


def _render_details(details: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in details.items():
        if isinstance(value, dict) and any(isinstance(item, dict) for item in value.values()):
            lines += [f"{indent}{key}", *_render_details(value, indent + "  ")]
        elif isinstance(value, dict):
            lines.append(f"{indent}{key}: " + ", ".join(f"{name} {item}" for name, item in value.items()))
        else:
            lines.append(f"{indent}{key}: {value}")
    return lines


def render_side_by_side(compare: Compare) -> str:
    """logs/<run>/eval_compare.log: what both really said, row by row."""
    blocks = []
    for number, example in enumerate(compare.examples, 1):
        prompt = example.prompt[-1]["content"] if example.prompt else ""
        scores = " -> ".join(
            "not judged" if value is None else f"{value:g}" for value in (example.base_score, example.tuned_score)
        )
        near = f", near a training row: {example.near}" if example.near else ""
        blocks.append(
            f"--- {number} of {compare.n}: {example.change} ({scores})"
            f"{f', {example.slice}' if example.slice else ''}{near}\n"
            f"prompt:    {prompt}\n"
            f"{'rated bad: ' if example.rated_bad else 'reference: '}{example.reference}\n"
            f"base:      {example.base}\ntuned:     {example.tuned}\n"
        )
    return "\n".join(blocks)
