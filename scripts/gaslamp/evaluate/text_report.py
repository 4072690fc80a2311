"""The two readable logs of a comparison: every figure, and both answers row by row."""

from __future__ import annotations

from collections.abc import Mapping

from gaslamp.core.contracts import Compare, Verdict
from gaslamp.evaluate.seeds import explain_seeds, get_seed_rows
from gaslamp.pages.baselines import get_baseline_rows
from gaslamp.pages.numbers import format_score


def render_report(compare: Compare, gate: Verdict) -> str:
    """logs/<run>/eval.log: every figure."""
    lines = [gate.summary, ""]
    if compare.deciding:
        lines += [f"decides: {compare.metrics[0].title}, because {compare.deciding.reason}", ""]
    for finding in compare.findings:
        lines += [f"{finding.severity}: {finding.text}", f"  usual cause: {finding.cause}"]
        lines += [f"  rows: {', '.join(finding.rows[:10])}"] if finding.rows else []
        lines.append(f"  threshold: {finding.limit.key}: {finding.limit.value:g}" if finding.limit else "")
    lines += [f"wrong rows: {compare.wrong} of {compare.n}", *(f"  {text}: {n}" for text, n in compare.mistakes), ""]
    if compare.seeds:
        lines += [explain_seeds(compare), *(f"  {': '.join(row)}" for row in get_seed_rows(compare)), ""]
    if compare.baselines:
        lines += [
            f"without training, by {compare.metrics[0].title}",
            *(f"  {': '.join(filter(None, row))}" for row in get_baseline_rows(compare)),
            "",
        ]
    for metric in compare.metrics:
        unit = metric.unit
        lines += [
            metric.title,
            f"  base   {format_score(metric.base, unit)}",
            f"  tuned  {format_score(metric.tuned, unit)}",
        ]
        further = f"; {metric.p_adjusted:.2g} among the further metrics (Holm)" if metric.p_adjusted else ""
        lines.append(f"  p      {metric.p_value:.2g}{', ' + metric.test if metric.test else ''}{further}")
        if metric.difference:
            lines.append(f"  tuned - base  {format_score(metric.difference, unit)}")
        for value, scores in metric.slices.items():
            lines.append(
                f"  {value}: base {format_score(scores['base'], unit)}, tuned {format_score(scores['tuned'], unit)}"
                + (f", p {metric.slice_p[value]:.2g} among all slices (Holm)" if value in metric.slice_p else "")
            )
        for who, details in metric.details.items():
            lines += [f"  {who}: {line}" for line in _render_details(details)]
        lines.append("")
    how = (
        "greedy"
        if not compare.sampling.get("temperature")
        else ", ".join(f"{key} {value}" for key, value in compare.sampling.items())
    )
    lines.append(f"decoding: {how}; rows gained {compare.gained}, lost {compare.lost}, same answer {compare.identical}")
    lines.append(
        "ended with a stop token: " + ", ".join(f"{who} {share:.0%}" for who, share in compare.stop_rate.items())
    )
    lines.append(f"test rows that are nearly duplicates of a training row: {compare.near_duplicates}")
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
    lines += [
        f"try ({number}): {text}" for number, text in enumerate([one.text for one in (*gate.tries, *gate.later)], 1)
    ]
    return "\n".join(lines) + "\n"


def _render_details(details: Mapping[str, object], indent: str = "") -> list[str]:
    lines = []
    for key, value in details.items():
        if isinstance(value, Mapping) and any(isinstance(item, dict) for item in value.values()):
            lines += [f"{indent}{key}", *_render_details(value, indent + "  ")]
        elif isinstance(value, Mapping):
            lines.append(f"{indent}{key}: " + ", ".join(f"{name} {item}" for name, item in value.items()))
        else:
            lines.append(f"{indent}{key}: {value}")
    return lines


def render_side_by_side(compare: Compare) -> str:
    """logs/<run>/eval_compare.log: both answers, row by row."""
    blocks = []
    for number, example in enumerate(compare.examples, 1):
        prompt = example.prompt[-1]["content"] if example.prompt else ""
        scores = " -> ".join(
            "not scored" if value is None else f"{value:g}" for value in (example.base_score, example.tuned_score)
        )
        near = f", near training row {example.near}" if example.near else ""
        blocks.append(
            f"--- {number} of {compare.n}: {example.change} ({scores})"
            f"{f', {example.slice}' if example.slice else ''}{near}\n"
            f"prompt:    {prompt}\n"
            f"{'rated bad: ' if example.rated_bad else 'reference: '}{example.reference}\n"
            f"base:      {example.base}\ntuned:     {example.tuned}\n"
        )
    return "\n".join(blocks)
