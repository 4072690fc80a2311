"""What each stage gave: the model before and after it on the test rows of the last stage, and its own evaluation."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.console import say
from gaslamp.core.contracts import Card, Compare, Provenance, StageFacts, Stages, TrainFacts
from gaslamp.core.files import JsonObject, read_jsonl
from gaslamp.evaluate.choose_metrics import choose_metrics
from gaslamp.evaluate.compare import score_metric
from gaslamp.evaluate.predictions import read_predictions
from gaslamp.pages.numbers import format_value


def compare_stages(
    settings: Slice,
    configs: list[JsonObject],
    names: list[str],
    answers: list[Path],
    test: Path,
    facts: list[Path],
    cards: list[Path],
    compares: list[Path],
    out: Path,
) -> Stages:
    """Score every stage by the metrics of the last one, and write stages.json.

    Args:
        settings: slice of the last stage with method, eval, train.rewards and data.slice.
        configs: method, model, data and eval of each stage but the last.
        names: of the stages, first things first.
        answers: predictions of the base model, then of the model after each stage.
        test: test rows of the last stage.
        facts, cards: train.json and card.json of each stage.
        compares: compare.json of each stage but the last: the evaluation on its own test rows.
        out: stages.json.
    """
    rows = list(read_jsonl(test))
    found = [read_predictions(file, rows) for file in answers]
    stages = []
    for number, name in enumerate(names):
        pair = {"base": found[number], "tuned": found[number + 1]}
        results = [
            score_metric(metric, rows, pair, settings.eval.confidence, {})[0]
            for metric in choose_metrics(settings, rows)
        ]
        train, card = TrainFacts.read(facts[number]), Card.read(cards[number])
        own = Compare.read(compares[number]) if number < len(compares) else None
        stages.append(
            StageFacts(
                name=name,
                method=train.method,
                source=card.source,
                rows=card.rows,
                steps=train.steps,
                loss_first=train.loss_first,
                loss_last=train.loss_last,
                adapter_sha256=train.adapter_sha256,
                settings=train.settings,
                config=_pin(configs[number], card) if own else {},
                metrics=results,
                own=own.metrics[0] if own else None,
                own_verdict=own.verdict if own else None,
            )
        )
        first = results[0]
        before, after = (format_value(score.value, first.unit) for score in (first.base, first.tuned))
        say(f"{name} ({train.method}): {first.title} {before} -> {after} on the test rows of {names[-1]}")
    inputs: list[str | Path] = [*answers, test, *facts, *cards, *compares]
    result = Stages(n=len(rows), stages=stages, provenance=Provenance.start(inputs, settings.dump()))
    result.write(out)
    return result


def _pin(config: JsonObject, card: Card) -> JsonObject:
    """``config`` with the commit of a hub data set that the data phase found."""
    source, at, commit = card.source.rpartition("@")
    if not at or source != config["data"]["source"]:
        return config
    return {**config, "data": {**config["data"], "revision": config["data"]["revision"] or commit}}
