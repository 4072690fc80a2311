"""outputs/<run>/report.html: data, curves, evaluation, ladder, parity, environment and provenance on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gaslamp.config.slices import Slice
from gaslamp.core.console import get_duration, get_size, say
from gaslamp.core.contracts import (
    Artefact,
    Card,
    Compare,
    Ladder,
    ModelFacts,
    Parity,
    Provenance,
    Score,
    TrainFacts,
    Verdict,
)
from gaslamp.core.files import get_csp_hash, read_json, sha256_path, write_text
from gaslamp.export.ladder_page import render_svg
from gaslamp.pages.numbers import format_change, format_interval, format_value
from gaslamp.report.dashboard.panels import get_panels
from gaslamp.report.dashboard.tail import Tail
from gaslamp.report.dashboard.trainings import Training
from gaslamp.report.run_report.curves import HEIGHT, LEFT, RIGHT, WIDTH, get_chart
from gaslamp.report.settings_table import flatten

HERE = Path(__file__).parent


def read_training(metrics: Path) -> Training | None:
    """The newest training of a metrics file; ``None`` when nothing was logged."""
    tail, trainings = Tail(metrics), dict[str, Training]()
    newest = None
    while events := tail.read()[1]:
        for event in events:
            newest = str(event.get("key", ""))
            trainings.setdefault(newest, Training(metrics.parent.name, newest)).add(event)
    return trainings.get(newest or "")


def _percent(score: Score) -> str:
    return f"{100 * score.value:.1f} % ({100 * score.low:.1f} to {100 * score.high:.1f})"


def _get_scores(compare: Compare) -> list[list[str]]:
    rows = []
    for metric in compare.metrics:
        for name, pair in [("", {"base": metric.base, "tuned": metric.tuned}), *metric.slices.items()]:
            cells = [
                f"{format_value(pair[who].value, metric.unit)} ({format_interval(pair[who], metric.unit)})"
                for who in ("base", "tuned")
            ]
            change = format_change(pair["base"].value, pair["tuned"].value, metric.unit)
            rows.append(
                [
                    f"{metric.title}, {name}" if name else metric.title,
                    str(pair["tuned"].n),
                    *cells,
                    change,
                    "" if name else f"{metric.p_value:.3g}",
                ]
            )
    if {"base", "tuned"} <= set(compare.retention):
        base, tuned = compare.retention["base"], compare.retention["tuned"]
        rows.append(
            [
                "general questions",
                str(tuned.n),
                _percent(base),
                _percent(tuned),
                f"{100 * (tuned.value - base.value):+.1f}",
                "",
            ]
        )
    return rows


def _get_levels(ladder: Ladder) -> list[list[str]]:
    rows = []
    for level in ladder.levels:
        mark = " (recommended)" if level.level == ladder.recommended else ""
        speed = f"{level.gen_tps:.0f}" if level.gen_tps else ""
        loss = f"{level.kl_divergence:.4f}" if level.kl_divergence is not None else ""
        rows.append(
            [
                level.level + mark,
                get_size(level.size_bytes),
                f"{level.bits_per_weight:.2f}",
                _percent(level.score),
                f"{100 * level.same_as_f16:.1f} %",
                loss,
                speed,
            ]
        )
    return rows


def _get_data(card: Card) -> list[list[str]]:
    rows = [["Source", card.source], ["Format", f"{card.format} ({card.kind})"]]
    rows += [[f"Rows, {name.replace('_', ' ')}", f"{count:,}"] for name, count in card.rows.items()]
    rows += [
        [
            f"Tokens of a row, {name}",
            f"median {own.get('p50', 0):.0f}, 95 % below {own.get('p95', 0):.0f}, longest {own.get('max', 0):.0f}",
        ]
        for name, own in card.tokens.items()
    ]
    return [*rows, ["Trained tokens", f"{card.trained_tokens:,}"], ["Rows cut", str(card.truncated)]]


def _get_training(train: TrainFacts) -> list[list[str]]:
    rows = [
        ["Method", f"{train.method} on {train.backend}, {train.device}, {train.dtype}"],
        ["Steps", f"{train.steps:,}, {train.epochs:g} epochs, {train.train_rows:,} rows"],
        ["Loss", f"{train.loss_first:.4g} → {train.loss_last:.4g}"],
        [
            "Time",
            f"{get_duration(train.seconds)}, {train.seconds_per_step:.3g} s a step, "
            f"{train.tokens_per_second:,.0f} tokens a second",
        ],
        ["Peak memory", f"{train.peak_memory_gb:.2f} GB"],
        ["Attempts", str(train.attempts)],
        ["Trained parameters", f"{train.trainable_parameters:,} of {train.total_parameters:,}"],
    ]
    if train.valid_loss_first is not None and train.valid_loss_last is not None:
        rows.insert(3, ["Validation loss", f"{train.valid_loss_first:.4g} → {train.valid_loss_last:.4g}"])
    return rows + [[f"Decided: {decision.name}", decision.text] for decision in train.decisions]


def _get_provenance(files: dict[str, Path], facts: list[Artefact]) -> list[list[str]]:
    rows = [[str(path), sha256_path(path)] for path in files.values()]
    for fact in facts:
        if isinstance(fact.provenance, Provenance):
            rows += [[f"{type(fact).__name__}: {place}", digest] for place, digest in fact.provenance.inputs.items()]
    seen: dict[str, str] = {name.split(": ", 1)[-1]: digest for name, digest in rows}
    return [[name, digest] for name, digest in seen.items()]


def render_report(files: dict[str, Path], metrics: Path, settings: Slice) -> str:
    """The HTML text.

    Args:
        files: paths of system, env, model, card, train, compare, verdict, and ladder and parity of a chat model.
        metrics: the metrics.jsonl of the run; the curves are left out when it is gone.
        settings: slice with project.
    """
    import jinja2
    from markupsafe import Markup

    model, card, train = ModelFacts.read(files["model"]), Card.read(files["card"]), TrainFacts.read(files["train"])
    compare = Compare.read(files["compare"])
    ladder, parity = (
        Ladder.read(files["ladder"]) if "ladder" in files else None,
        Parity.read(files["parity"]) if "parity" in files else None,
    )
    verdict = Verdict.model_validate(read_json(files["verdict"]))
    system, env = read_json(files["system"]), read_json(files["env"])
    training = read_training(metrics)
    panels: list[Any] = []
    if training:
        panels = [chart for panel in get_panels(training) if (chart := get_chart(training, panel))]
    style = (HERE / "style.css").read_text(encoding="utf-8")
    provenance = train.provenance
    environment = [
        ["System", " ".join(str(system[key]) for key in ("os", "arch") if system.get(key))],
        ["Processor", str(system.get("cpu") or "")],
        ["Cores", str(system.get("cores") or "")],
        *(["GPU", f"{gpu.get('name')} {gpu.get('vram_gb')} GB"] for gpu in system.get("gpus") or []),
        *([name, str(version)] for name, version in (env.get("versions") or {}).items() if version),
    ]
    loader = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return loader.get_template("report.html.j2").render(
        style=Markup(style),
        style_hash=get_csp_hash(style),
        project=settings.project,
        compare=compare,
        verdict=verdict,
        parity=parity,
        ladder=ladder,
        model=[
            ["Name", model.name],
            ["Source", model.source],
            ["Licence", model.license or "not stated"],
            ["Parameters", f"{model.parameters:,}"],
            ["sha256", model.sha256],
        ],
        data=_get_data(card),
        warnings=card.warnings,
        checks=card.checks,
        charts=panels,
        box={"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT},
        training=_get_training(train),
        scores=_get_scores(compare),
        levels=_get_levels(ladder) if ladder else [],
        ladder_plot=Markup(render_svg(ladder)) if ladder else "",
        environment=[row for row in environment if row[1]],
        provenance=_get_provenance(files, [fact for fact in (train, compare, ladder, parity) if fact]),
        command=provenance.command if provenance else "",
        settings=flatten(provenance.settings.get("train") or {}) if provenance else [],
    )


def build_report(files: dict[str, Path], metrics: Path, settings: Slice, out: Path) -> None:
    """Write the report of a run."""
    write_text(out, render_report(files, metrics, settings))
    say(f"{out}: the whole run in one file")
