"""The gate in front of the export: its verdict, what to try when it does not pass, and the stop itself."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.contracts import Compare, TrainFacts, Verdict
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json
from gaslamp.core.finding import get_remedies
from gaslamp.data.generation.facts import EDITED, MARK
from gaslamp.data.generation.origin import warn_of_test
from gaslamp.pages.numbers import format_chance, format_value

SPREAD = 0.1  # half an interval wider than this: too few rows to decide
FEW_ROWS = 30  # fewer test rows are a hint, whatever the interval says


def get_verdict(compare: Compare, settings: Slice, train: TrainFacts | None = None) -> Verdict:
    """The gate in front of the export: tuned must be better than base, unless ``eval.gate`` is ``warn``.

    Args:
        compare: base against tuned.
        settings: the slice eval.
        train: train.json, for the advice.
    """
    main = compare.metrics[0]
    blocking, warnings, override = [], [], []
    if compare.verdict != "better" and any(one.title in compare.answer for one in compare.unbeaten):
        blocking.append(f"{compare.answer[:1].lower()}{compare.answer[1:]}")
    elif compare.verdict != "better":
        blocking.append(f"tuned is not better than base ({compare.verdict}, {format_chance(main.p_value)})")
    first = next((result for result in compare.metrics if result.name == compare.first), main)
    reached = first.tuned.value if first.higher is not False else -first.tuned.value
    if settings.min_score is not None and reached < (
        settings.min_score if first.higher is not False else -settings.min_score
    ):
        blocking.append(
            f"{first.title} is {format_value(first.tuned.value, first.unit)}; eval.min_score is "
            f"{format_value(settings.min_score, first.unit)}"
        )
    if blocking and settings.gate == "warn":
        warnings, blocking, override = blocking, [], ["eval.gate: warn"]
    if compare.retention:
        before, after = (compare.retention[name].value for name in ("base", "tuned"))
        if before - after > settings.max_forgetting:
            text = (
                f"general knowledge fell: the base model answers {before:.0%} of the general questions, the tuned "
                f"model {after:.0%} (eval.max_forgetting allows {100 * settings.max_forgetting:.0f} points)"
            )
            (blocking if settings.forgetting_gate == "block" else warnings).append(text)
    for name, scores in compare.lm_eval.items():
        drop = scores["base"].value - scores["tuned"].value if {"base", "tuned"} <= set(scores) else 0.0
        if drop > settings.max_forgetting:
            text = f"{name} fell by {drop:.0%} (eval.max_forgetting allows {settings.max_forgetting:.0%})"
            (blocking if settings.forgetting_gate == "block" else warnings).append(text)
    if compare.verdict == "better" and compare.unbeaten:
        others = " and ".join(one.title for one in compare.unbeaten)
        warnings.append(f"tuned is better than base, but not than {others}, which needs no training")
    warnings += [finding.text for finding in compare.findings if finding.severity != "hint"]
    written = [str(example.columns[MARK]) for example in compare.examples if MARK in example.columns]
    if written:
        warnings.append(warn_of_test(len(written), compare.n, written[0].removesuffix(EDITED)))
    if main.tuned.n < FEW_ROWS:
        warnings.append(
            f"only {main.tuned.n} test rows: the score is rough; its interval shows between which values it lies"
        )
    return Verdict(
        passed=not blocking,
        verdict=compare.verdict,
        summary=compare.headline,
        blocking=blocking,
        warnings=warnings,
        advice=get_advice(compare, settings, train),
        override=override[0] if override else None,
    )


def get_advice(compare: Compare, settings: Slice, train: TrainFacts | None = None) -> list[str]:
    """What to try, in order: mistakes first, then settings, then more data. Empty when nothing is wrong."""
    main, advice = compare.metrics[0], [remedy.text for _, remedy in get_remedies(compare.findings)]
    if (
        compare.retention
        and compare.retention["base"].value - compare.retention["tuned"].value > settings.max_forgetting
    ):
        advice.append(
            "against forgetting: lower train.learning_rate or train.epochs; or raise data.rehearsal together with "
            "train.max_steps or train.epochs, since its rows take steps from yours. A model that only does this task "
            "may forget: then raise eval.max_forgetting"
        )
    if main.tuned.n < FEW_ROWS:
        advice.append(
            f"add rows, or raise data.split.test: {main.tuned.n} test rows give a rough score; {FEW_ROWS} give it "
            "to about 18 points, 100 to about 10"
        )
    if compare.verdict == "better":
        return advice
    if (
        train
        and train.valid_loss_first is not None
        and train.valid_loss_last is not None
        and train.valid_loss_last > train.valid_loss_first
    ):
        advice.append("the validation loss rose during training: halve train.learning_rate, or train fewer epochs")
    elif train and train.loss_last > 0.9 * train.loss_first:
        advice.append(
            "the training loss hardly fell: raise train.learning_rate (double it), or train longer (train.epochs)"
        )
    if main.unit == "share" and main.higher and main.base.value > 0.95:
        advice.append(
            f"the base model already has {format_value(main.base.value)}: there is little to gain, or the test rows "
            "are too easy"
        )
    if compare.verdict == "worse":
        advice.append(
            "read logs/<run>/eval_compare.log: when the answers are right and the references are not, "
            "the data has wrong or swapped labels"
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
    """Stop when a gate did not pass.

    Raises:
        GaslampError: with what to try, in order.
    """
    verdict = Verdict.model_validate(read_json(verdict_file))
    if not verdict.passed:
        steps = verdict.advice or [
            "look at logs/<run>/eval_compare.log; then try more rows, more steps (train.epochs), another learning rate"
        ]
        key = (
            "eval.forgetting_gate"
            if all("knowledge fell" in text or "fell by" in text for text in verdict.blocking)
            else "eval.gate"
        )
        raise GaslampError(
            f"{verdict_file} blocks the export: {'; '.join(verdict.blocking)}",
            "try, in this order: " + "; ".join(f"({number}) {text}" for number, text in enumerate(steps, 1)),
            f"export it all the same: set {key}: warn in config.yaml (the override is recorded)",
        )
