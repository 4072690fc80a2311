"""The gate in front of the export: its verdict, what to try when it does not pass, and the stop itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.contracts import Compare, TrainFacts, Verdict
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json
from gaslamp.core.finding import Advice, Change, Finding, Remedy
from gaslamp.data.generation.facts import EDITED, MARK
from gaslamp.data.generation.origin import warn_of_test
from gaslamp.evaluate.seeds import describe_gain
from gaslamp.evaluate.unbeaten import NO_TRAINING, describe_unbeaten
from gaslamp.pages.numbers import format_chance, format_value
from gaslamp.train.advice import LINES, Tried, rank_advice
from gaslamp.train.remedies import round_rate

FEW_ROWS = 30  # fewer test rows are a hint, whatever the interval says


def get_verdict(
    compare: Compare, settings: Slice, train: TrainFacts | None = None, tried: Sequence[Tried] = ()
) -> Verdict:
    """The gate in front of the export: tuned must be better than base, unless ``eval.gate`` is ``warn``.

    Args:
        compare: base against tuned.
        settings: the slice eval.
        train: train.json, for its findings and the advice.
        tried: the other runs of the project: what they tried is not proposed again.
    """
    main = compare.metrics[0]
    blocking, warnings, override = [], [], []
    if compare.verdict != "better" and any(one.title in compare.answer for one in compare.unbeaten):
        blocking.append(f"{compare.answer[:1].lower()}{compare.answer[1:]}")
    elif main.fault:
        blocking.append(f"no verdict: {main.fault}")
    elif compare.verdict != "better" and compare.seeds and describe_gain(compare.seeds, main) in compare.answer:
        blocking.append(describe_gain(compare.seeds, main))
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
        warnings.append(f"tuned is better than base, {describe_unbeaten(compare.unbeaten, main)}{NO_TRAINING}")
    found = [*(train.findings if train else []), *compare.findings]
    said = {"no_better_than"} if any(one.title in compare.answer for one in compare.unbeaten) else set()
    warnings += [finding.text for finding in found if finding.severity != "hint" and finding.name not in said]
    written = [str(example.columns[MARK]) for example in compare.examples if MARK in example.columns]
    if written:
        warnings.append(warn_of_test(len(written), compare.n, written[0].removesuffix(EDITED)))
    if main.tuned.n < FEW_ROWS:
        warnings.append(
            f"only {main.tuned.n} test rows: the score is rough; its interval shows between which values it lies"
        )
    advice = get_advice(compare, settings, train, tried)
    return Verdict(
        passed=not blocking,
        verdict=compare.verdict,
        summary=compare.headline,
        blocking=blocking,
        warnings=warnings,
        advice=[one.text for one in advice[:LINES]],
        tries=advice[:LINES],
        later=advice[LINES:],
        override=override[0] if override else None,
    )


def get_advice(
    compare: Compare, settings: Slice, train: TrainFacts | None = None, tried: Sequence[Tried] = ()
) -> list[Advice]:
    """What to try, the likeliest gain first (``train/advice.py``), without contradictions. Empty when nothing is wrong.

    Args:
        compare: with the findings of the answers.
        settings: the slice eval.
        train: with the findings of the training, which come first where they are as sure: they explain the answers.
        tried: the other runs of the project.
    """
    findings = [*(train.findings if train else []), *compare.findings, *_find_more(compare, settings, train)]
    advice = rank_advice(findings, tried)
    rest = list(compare.next_steps)
    if compare.wrong and compare.verdict != "better":
        rest.append("read the rows that are wrong on the evaluation page: what do they have in common?")
        rest.append("add rows like them to the data, or take a larger model (make advise)")
    return [*advice, *(Advice(remedy=Remedy(action=action)) for action in rest)]


def _find_more(compare: Compare, settings: Slice, train: TrainFacts | None) -> Iterator[Finding]:
    """What the scores say and no plug-in does: forgetting, a base model that knows it all, labels that look wrong."""
    main = compare.metrics[0]
    if compare.retention:
        before, after = (compare.retention[name].value for name in ("base", "tuned"))
        if before - after > settings.max_forgetting:
            yield Finding(
                name="forgetting",
                title="general knowledge fell",
                severity="likely",
                seen=f"{before:.0%} to {after:.0%} of the general questions",
                cause="the learning rate is too high, or there are too many epochs",
                remedies=[
                    *_lower_rate(train),
                    Remedy(
                        action="raise data.rehearsal together with train.max_steps or train.epochs, since its rows "
                        "take steps from yours",
                        moves={"data.rehearsal": "raise", "train.epochs": "raise"},
                    ),
                    Remedy(action="a model that only does this task may forget: raise eval.max_forgetting"),
                ],
                rules_out={"train.learning_rate": "raise"},
            )
    if main.tuned.n < FEW_ROWS and not any(finding.name == "small_test" for finding in compare.findings):
        action = (
            f"add rows, or raise data.split.test: {main.tuned.n} test rows give a rough score; {FEW_ROWS} give it to "
            "about 18 points, 100 to about 10"
        )
        yield Finding(
            name="few_test_rows",
            title="the score is rough",
            severity="hint",
            seen=f"{main.tuned.n} test rows",
            remedies=[Remedy(action=action, moves={"data.split.test": "raise"})],
        )
    if compare.verdict != "better" and main.unit == "share" and main.higher and main.base.value > 0.95:
        yield Finding(
            name="known_already",
            title="the base model knows the task",
            severity="likely" if main.base.value == 1 else "hint",
            seen=f"it has {format_value(main.base.value)} already",
            remedies=[Remedy(action="take harder test rows or another metric (eval.metrics)")],
        )
    if compare.verdict == "worse":
        action = (
            "read logs/<run>/eval_compare.log: when the answers are right and the references are not, the data has "
            "wrong or swapped labels"
        )
        yield Finding(
            name="worse_than_base",
            title="tuned is worse than base",
            severity="likely",
            seen=f"{format_value(main.base.value, main.unit)} to {format_value(main.tuned.value, main.unit)}",
            remedies=[Remedy(action=action), *_lower_rate(train)],
        )


def _lower_rate(train: TrainFacts | None) -> list[Remedy]:
    """Half of the learning rate that trained."""
    rate = train.settings.get("learning_rate") if train else None
    if not isinstance(rate, int | float) or not rate:
        return []
    change = Change(key="train.learning_rate", before=rate, value=round_rate(rate / 2))
    return [Remedy(action="halve the learning rate", changes=[change])]


def require(verdict_file: Path) -> None:
    """Stop when a gate did not pass.

    Raises:
        GaslampError: with what to try, in order.
    """
    verdict = Verdict.model_validate(read_json(verdict_file))
    if not verdict.passed:
        steps = verdict.advice or ["look at logs/<run>/eval_compare.log; then try more rows, or a larger model"]
        fell = [("knowledge fell" in text or " fell by " in text) for text in verdict.blocking]
        keys = (["eval.gate"] if not all(fell) else []) + (["eval.forgetting_gate"] if any(fell) else [])
        settings = " and ".join(f"{key}: warn" for key in keys)
        raise GaslampError(
            f"{verdict_file} blocks the export: {'; '.join(verdict.blocking)}",
            "try, in this order: " + "; ".join(f"({number}) {text}" for number, text in enumerate(steps, 1)),
            f"export it all the same: set {settings} in config.yaml (the override is recorded)",
            allows=dict.fromkeys(keys, "warn"),
        )
