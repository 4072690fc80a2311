"""The validation rows of points that have rows of their own: the same questions, or they cannot be compared."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from gaslamp.config.slices import Slice, parse_slice
from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl
from gaslamp.data.rows import Row, get_user_prompt
from gaslamp.evaluate.choose_metrics import choose_metrics
from gaslamp.evaluate.metric import Metric

LEAST = 0.9
"""Share of the questions that all points must have in common."""


def read_rows(files: Mapping[str, Path]) -> dict[str, list[Row]]:
    """The rows of each point; points that share a file share the list."""
    read = {file: list(read_jsonl(file)) for file in dict.fromkeys(files.values())}
    return {run: read[file] for run, file in files.items()}


def match_rows(rows: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """The rows that every point has, in one order: the same question at the same place.

    Args:
        rows: run -> its validation rows.

    Raises:
        GaslampError: the points have less than 90 % of their questions in common.
    """
    different = list({id(own): run for run, own in rows.items()}.values())
    if len(different) < 2:
        return dict(rows)
    places = {run: _number([get_user_prompt(row) for row in rows[run]]) for run in different}
    common = [key for key in places[different[0]] if all(key in places[run] for run in different)]
    most = max(len(rows[run]) for run in different)
    if len(common) < LEAST * most:
        counts = ", ".join(f"{run} {len(rows[run])}" for run in different)
        raise GaslampError(
            f"the points cannot be compared: of their validation rows ({counts}) {len(common)} ask the same",
            "change keys of data that leave the questions as they are: data.system, data.rehearsal, data.columns",
            "rows were left out as too long, or the chat template of one model refuses them: data/*/card.json says so",
        )
    if len(common) < most:
        say(f"warning: the points are compared on the {len(common)} of {most} validation rows that all of them have")
    found = {id(rows[run]): [rows[run][places[run][key]] for key in common] for run in different}
    return {run: found[id(own)] for run, own in rows.items()}


def choose_metric(
    settings: Slice, rows: Sequence[Row], methods: Sequence[tuple[str, Sequence[Row]]] = ()
) -> Metric | None:
    """The first metric that scores answers by themselves; ``None``: only the validation loss can choose.

    Args:
        settings: slice with method, eval, train.rewards and data.slice.
        rows: validation rows of the project.
        methods: of points that train another method, each with its rows: the metric must suit all of them.
    """
    able = _get_able(settings, rows)
    for method, own in methods:
        other = parse_slice(json.dumps({**settings.dump(), "method": method}))
        known = {metric.name for metric in _get_able(other, own)}
        able = [metric for metric in able if metric.name in known]
    return able[0] if able else None


def _get_able(settings: Slice, rows: Sequence[Row]) -> list[Metric]:
    return [
        metric
        for metric in choose_metrics(settings, list(rows))
        if metric.higher is not None and not hasattr(metric.module, "score_pairs")
    ]


def _number(questions: Sequence[str]) -> dict[tuple[str, int], int]:
    """(question, how many times it came before) -> its place."""
    seen: dict[str, int] = defaultdict(int)
    found = {}
    for place, question in enumerate(questions):
        found[question, seen[question]] = place
        seen[question] += 1
    return found
