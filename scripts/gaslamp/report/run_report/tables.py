"""The tables of the report: facts as rows of text."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.backends import get_unused_settings
from gaslamp.core.console import get_duration, get_size
from gaslamp.core.contracts import Artefact, Card, Compare, Ladder, ModelFacts, Provenance, Score, TrainFacts
from gaslamp.core.decisions import Decision
from gaslamp.core.export_contracts import describe_others
from gaslamp.core.files import sha256_path
from gaslamp.environment.system import describe_hardware
from gaslamp.pages.numbers import format_change, format_interval, format_value
from gaslamp.pages.starts import describe_start
from gaslamp.report.methods import describe_method
from gaslamp.report.settings_table import flatten

Table = list[list[str]]


def _show(score: Score, unit: str = "share") -> str:
    return f"{format_value(score.value, unit)} ({format_interval(score, unit)})"


def get_scores(compare: Compare) -> Table:
    """Every metric with its slices, then the general questions: rows, base, tuned, change, p."""
    rows = []
    for metric in compare.metrics:
        for name, pair in [("", {"base": metric.base, "tuned": metric.tuned}), *metric.slices.items()]:
            rows.append(
                [
                    f"{metric.title}, {name}" if name else metric.title,
                    str(pair["tuned"].n),
                    *(_show(pair[who], metric.unit) for who in ("base", "tuned")),
                    format_change(pair["base"].value, pair["tuned"].value, metric.unit),
                    "" if name else f"{metric.p_value:.3g}",
                ]
            )
    if {"base", "tuned"} <= set(compare.retention):
        base, tuned = compare.retention["base"], compare.retention["tuned"]
        change = format_change(base.value, tuned.value)
        rows.append(["general questions", str(tuned.n), _show(base), _show(tuned), change, ""])
    return rows


def get_levels(ladder: Ladder) -> Table:
    """Every level: size, bits, score, answers equal to f16, KL divergence, speed."""
    return [
        [
            level.level + (" (recommended)" if level.level == ladder.recommended else ""),
            get_size(level.size_bytes),
            f"{level.bits_per_weight:.2f}",
            _show(level.score, ladder.unit),
            format_value(level.same_as_f16),
            f"{level.kl_divergence:.4f}" if level.kl_divergence is not None else "",
            ", ".join(filter(None, (f"{level.gen_tps:.0f}", describe_others(level.others_percent))))
            if level.gen_tps
            else "",
        ]
        for level in ladder.levels
    ]


def get_data(card: Card) -> Table:
    """Source, rows and lengths of the data; tokens with loss only where loss is on tokens."""
    rows = [["Source", card.source], ["Format", f"{card.format} ({card.kind})"]]
    rows += [[f"Rows, {name.replace('_', ' ')}", f"{count:,}"] for name, count in card.rows.items()]
    rows += [
        [
            f"Tokens of a row, {name}",
            f"median {own.get('p50', 0):.0f}, 95 % below {own.get('p95', 0):.0f}, longest {own.get('max', 0):.0f}",
        ]
        for name, own in card.tokens.items()
    ]
    if card.trained_tokens:
        rows.append(["Tokens with loss", f"{card.trained_tokens:,}"])
    return [*rows, [f"Rows over {card.max_length:,} tokens", str(card.truncated)]]


def get_training(train: TrainFacts) -> Table:
    """What training did, then every automatic choice with its reason."""
    method = describe_method(train.method)
    rows = [
        ["Method", f"{train.method} ({method.title}) on {train.backend}, {train.device}, {train.dtype}"],
        ["Steps", f"{train.steps:,}, {train.epochs:g} epochs, {train.train_rows:,} rows"],
        ["Training loss, first step → smoothed", f"{train.loss_first:.4g} → {train.loss_last:.4g}"],
    ]
    if train.valid_loss_first is not None and train.valid_loss_last is not None:
        rows.append(["Validation loss", f"{train.valid_loss_first:.4g} → {train.valid_loss_last:.4g}"])
    if train.trained_tokens and method.artefact == "causal_lm":
        rows.append(["Tokens with loss", f"{train.trained_tokens:,} in one epoch"])
    pace = f"{train.seconds_per_step:.3g} s a step, {train.tokens_per_second:,.0f} tokens a second"
    rows += [
        ["Time", f"{get_duration(train.seconds)}, {pace}"],
        ["Peak memory", f"{train.peak_memory_gb:.2f} GB"],
        ["Attempts", str(train.attempts)],
        ["Trained parameters", f"{train.trainable_parameters:,} of {train.total_parameters:,}"],
    ]
    return [*rows, *(_get_decision(decision) for decision in train.decisions)]


def _get_decision(decision: Decision) -> list[str]:
    return [f"Chosen: {decision.name}", decision.text]


def get_settings(train: TrainFacts) -> Table:
    """The settings that trained, without those that the backend does not use; in version 0.1 those of the config."""
    recorded = train.provenance.settings.get("train") if train.provenance else None
    settings = train.settings or recorded or {}
    unused = get_unused_settings(train.backend)
    return flatten({name: value for name, value in settings.items() if name not in unused})


def get_environment(system: dict[str, object], env: dict[str, object]) -> Table:
    """The machine, then the versions of the packages.

    Args:
        system, env: contents of system.json and env.json.
    """
    versions = env.get("versions")
    rows = [["Machine", describe_hardware(system)], ["Cores", str(system.get("cores") or "")]]
    rows += (
        [[name, str(version)] for name, version in versions.items() if version] if isinstance(versions, dict) else []
    )
    return [row for row in rows if row[1]]


def get_model(model: ModelFacts) -> Table:
    """The base model."""
    return [
        ["Name", model.name],
        ["Source", model.source],
        *(["Trained before", describe_start(start)] for start in model.starts),
        ["Licence", model.license or "not stated"],
        ["Parameters", f"{model.parameters:,}"],
        ["sha256", model.sha256],
    ]


def get_provenance(files: dict[str, Path], facts: list[Artefact]) -> Table:
    """File -> sha256, of the fact files and of what they were made from.

    Args:
        files: paths of the fact files.
        facts: the facts with their provenance.
    """
    rows = [[str(path), sha256_path(path)] for path in files.values()]
    for fact in facts:
        if isinstance(fact.provenance, Provenance):
            rows += [[f"{type(fact).__name__}: {place}", digest] for place, digest in fact.provenance.inputs.items()]
    seen: dict[str, str] = {name.split(": ", 1)[-1]: digest for name, digest in rows}
    return [[name, digest] for name, digest in seen.items()]
