"""The evaluation page: one HTML file that opens without a network, for readers who do not train models.

Model text is escaped by the template engine and never becomes markup; images of rows are embedded.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from gaslamp.core.contracts import Compare, Example, MetricResult, Score, Verdict
from gaslamp.core.files import JsonObject, write_text
from gaslamp.core.finding import Advice, Finding
from gaslamp.evaluate.page_rows import get_page_data
from gaslamp.evaluate.seeds import explain_seeds, get_seed_rows
from gaslamp.evaluate.tone import get_tone
from gaslamp.evaluate.unbeaten import keep_whole
from gaslamp.pages.baselines import get_baseline_rows
from gaslamp.pages.html import escape_json, render_template
from gaslamp.pages.links import get_links
from gaslamp.pages.numbers import format_chance, format_change, format_number, format_value
from gaslamp.pages.plots import get_ends, plot_bars, plot_histogram
from gaslamp.train.advice import LINES

HERE = Path(__file__).parent / "page"
MISTAKES = 12  # groups in the table; the filter has all of them
ANSWERS = {
    "better": "Yes, the model became better",
    "worse": "No, the model became worse",
    "no clear difference": "No clear difference",
}
SEVERITY = {"certain": "certain", "likely": "very likely", "hint": "worth a look"}


def write_page(compare: Compare, gate: Verdict, out: Path, images: Path) -> None:
    """Write the page of one comparison.

    Args:
        compare, gate: what the page shows.
        out: HTML file.
        images: the folder that image paths are relative to (data/).
    """
    write_text(out, render_page(compare, gate, images, get_links(out)))


def render_page(compare: Compare, gate: Verdict, images: Path, links: Sequence[tuple[str, str]] = ()) -> str:
    """The HTML text; ``links`` are title and address of the other pages."""
    from markupsafe import Markup

    style, script = [(HERE / name).read_text(encoding="utf-8") for name in ("style.css", "page.js")]
    first = compare.metrics[0]
    tone, answer = get_tone(compare), ANSWERS[compare.verdict]
    if first.fault or any(one.title in compare.answer for one in compare.unbeaten):
        answer = compare.answer
    answer, _, further = answer.partition("; ")  # the title names the first rival, the text the others
    if tone == "few":
        answer = f"{answer}, on {first.tuned.n} test rows only"
    change = keep_whole(f"{format_value(first.base.value, first.unit)} → {format_value(first.tuned.value, first.unit)}")
    changes = Counter(example.change for example in compare.examples)
    findings, advice = [finding.text for finding in compare.findings], [*gate.tries, *gate.later]
    greedy = not compare.sampling.get("temperature")
    return render_template(
        HERE / "page.html.j2",
        style,
        script,
        headline=compare.headline,
        target=compare.target,
        links=links,
        tone=tone,
        answer=answer if first.fault else f"{answer}: {change}",
        explanation=" ".join([_explain(first), *([f"{further[:1].upper()}{further[1:]}."] if further else [])]),
        gate=gate,
        warnings=[text for text in gate.warnings if text not in findings],
        findings=[_get_finding(finding, advice) for finding in compare.findings],
        wrong=compare.wrong,
        wrong_share=format_value(compare.wrong / compare.n),
        mistakes=[
            {"text": text, "count": count, "share": format_value(count / max(1, compare.wrong))}
            for text, count in compare.mistakes[:MISTAKES]
        ],
        mistake_names=[text for text, _ in compare.mistakes],
        advice=[_get_advice(one, number) for number, one in enumerate(advice, 1)],
        shown=len(gate.tries),
        n=compare.n,
        confidence=f"{100 * compare.confidence:g} %",
        alpha=f"{1 - compare.confidence:.2g}",
        deciding=compare.deciding.reason if compare.deciding else "",
        baselines=get_baseline_rows(compare),
        seeds=get_seed_rows(compare),
        seeds_text=explain_seeds(compare),
        metrics=[_get_metric(metric) for metric in compare.metrics],
        slices=[_get_slice(name, pair, first) for name, pair in first.slices.items()],
        details=[block for metric in compare.metrics if (block := _get_details(metric))],
        histogram=plot_histogram(_get_scores(compare.examples)),
        retention=_get_retention(compare),
        lm_eval=compare.lm_eval,
        lost=compare.retention_lost,
        gained=compare.gained,
        lost_rows=compare.lost,
        counts={
            "improved": changes["improved"],
            "regressed": changes["regressed"],
            "comparable": changes["comparable"],
            "wrong": compare.wrong,
            "near": compare.near_duplicates,
        },
        parts=sorted({example.slice for example in compare.examples if example.slice}),
        data=Markup(escape_json(get_page_data(compare, images))),
        how="greedily (the likeliest word every time)"
        if greedy
        else "by drawing: " + ", ".join(f"{key} {value}" for key, value in compare.sampling.items()),
        stops=", ".join(
            f"{who} {100 * share:.0f} %"
            for who, share in (("before", compare.stop_rate["base"]), ("after", compare.stop_rate["tuned"]))
        ),
    )


def _get_advice(one: Advice, number: int) -> JsonObject:
    """One thing to try: in words, the lines of config.yaml that change, and the command that changes them."""
    remedy = one.remedy
    action = remedy.action.replace("on the evaluation page", "under “Row by row” below")
    return {
        "number": number,
        "action": action[:1].upper() + action[1:],
        "effect": remedy.effect,
        "changes": [change.text for change in remedy.changes],
        "command": f"make try N={number}" if remedy.changes and number <= LINES else "",
    }


def _get_finding(finding: Finding, advice: Sequence[Advice]) -> JsonObject:
    """One finding for the top of the page, with the places of its remedies in the one list of what to try."""
    return {
        "name": finding.name,
        "title": finding.title[:1].upper() + finding.title[1:],
        "certainty": SEVERITY[finding.severity],
        "severity": finding.severity,
        "seen": finding.seen,
        "cause": finding.cause,
        "numbers": [number for number, one in enumerate(advice, 1) if one.remedy in finding.remedies],
        "limit": f"{finding.limit.key}: {finding.limit.value:g}" if finding.limit else "",
        "rows": len(finding.rows),
    }


def _get_scores(examples: list[Example]) -> dict[str, list[float]]:
    """The scores of the first metric, base and tuned, of the rows that have one."""
    return {
        "base": [example.base_score for example in examples if example.base_score is not None],
        "tuned": [example.tuned_score for example in examples if example.tuned_score is not None],
    }


def _explain(first: MetricResult) -> str:
    """The result in one or two plain sentences."""
    n, base, tuned = first.tuned.n, first.base.value, first.tuned.value
    if first.unit == "share" and all(abs(value * n - round(value * n)) < 1e-3 for value in (base, tuned)):
        text = (
            f"Of {n} test rows that it never learnt from, the model got {round(tuned * n)} right ({first.title}); "
            f"before the training it was {round(base * n)}."
        )
    else:
        which = {True: "Higher is better.", False: "Lower is better.", None: ""}[first.higher]
        text = (
            f"{first.title[:1].upper()}{first.title[1:]} on {n} test rows that it never learnt from: "
            f"{format_value(tuned, first.unit)}; before the training it was {format_value(base, first.unit)}. "
            f"{which}"
        )
    if first.p_value == 1:
        return f"{text} Row by row the two are as often ahead of each other."
    return (
        f"{text} Luck alone would make such a difference {_describe_chance(first.p_value)} ({first.test}, "
        f"{format_chance(first.p_value)})."
    )


def _describe_chance(p: float) -> str:
    """A p-value in words."""
    if p < 0.001:
        return "less than once in 1,000 tries"
    times = 100 * p
    return f"{times:.0f} times in 100 tries" if times >= 1.5 else f"about once in {round(1 / p)} tries"


def _get_metric(metric: MetricResult) -> JsonObject:
    better = (metric.tuned.value - metric.base.value) * {True: 1, False: -1, None: 0}[metric.higher]
    tone = "good" if better > 0 else "bad" if better < 0 else "even"
    direction = {True: "Higher is better.", False: "Lower is better.", None: "Neither high nor low is good by itself."}[
        metric.higher
    ]
    points = " points" if metric.unit == "share" else ""
    return {
        "title": metric.title[:1].upper() + metric.title[1:],
        "decides": metric.higher is not None,
        "about": metric.about,
        "reading": f"{direction} {metric.tuned.n} rows. "
        + ("No difference." if metric.p_value == 1 else f"By luck alone: {_describe_chance(metric.p_value)}."),
        "plot": plot_bars({"base": metric.base, "tuned": metric.tuned}, metric.unit),
        "base": format_value(metric.base.value, metric.unit),
        "tuned": format_value(metric.tuned.value, metric.unit),
        "change": format_change(metric.base.value, metric.tuned.value, metric.unit) + points,
        "tone": tone,
    }


def _get_slice(name: str, pair: dict[str, Score], metric: MetricResult) -> JsonObject:
    top = get_ends(
        [
            score
            for scores in [*metric.slices.values(), {"base": metric.base, "tuned": metric.tuned}]
            for score in scores.values()
        ],
        metric.unit,
    )
    return {
        "name": name,
        "n": pair["tuned"].n,
        "plot": plot_bars(pair, metric.unit, top, thin=True),
        "base": format_value(pair["base"].value, metric.unit),
        "tuned": format_value(pair["tuned"].value, metric.unit),
    }


def _get_retention(compare: Compare) -> list[JsonObject]:
    found = [("General questions", compare.retention)] if compare.retention else []
    found += [
        (f"lm-evaluation-harness: {name}", scores)
        for name, scores in compare.lm_eval.items()
        if {"base", "tuned"} <= set(scores)
    ]
    return [
        {
            "title": title,
            "n": scores["tuned"].n,
            "plot": plot_bars(scores, "share"),
            "base": format_value(scores["base"].value),
            "tuned": format_value(scores["tuned"].value),
            "is_worse": scores["tuned"].high < scores["base"].low,  # by more than chance
        }
        for title, scores in found
    ]


def _get_details(metric: MetricResult) -> JsonObject | None:
    """The report of a metric as tables: plain figures, fields, classes, confusion."""
    base, tuned = metric.details.get("base", {}), metric.details.get("tuned", {})
    if not tuned:
        return None
    facts = [
        {"name": name, "base": _format_fact(base.get(name)), "tuned": _format_fact(value)}
        for name, value in tuned.items()
        if not isinstance(value, dict)
    ]
    fields = []
    for name, value in tuned.get("fields", {}).items():
        before = base.get("fields", {}).get(name, {"right": 0.0})
        pair = {"base": _as_score(before["right"]), "tuned": _as_score(value["right"])}
        fields.append(
            {
                "name": name,
                "n": value["n"],
                "plot": plot_bars(pair, "share", (0.0, 1.0), thin=True),
                "base": format_value(before["right"]),
                "tuned": format_value(value["right"]),
            }
        )
    for name, value in tuned.items():
        if isinstance(value, dict) and "kept" in value:
            facts.append(
                {
                    "name": f"{name} ({value['n']} rows)",
                    "base": _format_fact(base.get(name, {}).get("kept")),
                    "tuned": _format_fact(value["kept"]),
                }
            )
    classes = [
        {"name": name, "n": item["n"], **{key: format_value(item[key]) for key in ("precision", "recall", "f1")}}
        for name, item in tuned.get("classes", {}).items()
    ]
    if not (facts or fields or classes):
        return None
    return {
        "title": f"More on: {metric.title}",
        "facts": facts,
        "fields": fields,
        "classes": classes,
        "confusion": _get_confusion(tuned.get("confusion", {})),
    }


def _get_confusion(counts: dict[str, dict[str, int]]) -> JsonObject | None:
    if not counts:
        return None
    rows = []
    for name, found in counts.items():
        total = max(1, sum(found.values()))
        rows.append(
            {
                "name": name,
                "cells": [
                    {"count": count, "right": column == name, "level": math.ceil(4 * count / total)}
                    for column, count in found.items()
                ],
            }
        )
    return {"columns": list(next(iter(counts.values()))), "rows": rows}


def _as_score(value: float) -> Score:
    return Score(value=value, low=value, high=value, n=1)


def _format_fact(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float) and 0 <= value <= 1:
        return format_value(value)
    return format_number(value) if isinstance(value, int | float) else str(value)
