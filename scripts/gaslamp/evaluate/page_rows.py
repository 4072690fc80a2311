"""The rows of the evaluation page as data: the browser builds only those that one looks at."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.contracts import Compare, Example
from gaslamp.core.files import JsonObject
from gaslamp.pages.differences import lay_out
from gaslamp.pages.html import embed_file
from gaslamp.pages.numbers import format_value

IMAGES = 60  # rows whose images are put into the page: it stays a file that can be sent
TURNS = {
    "system": "Instructions before the question",
    "user": "Earlier question",
    "assistant": "Earlier answer",
    "tool": "Result of a tool",
}
BINARY = {0.0: "wrong", 1.0: "right"}


def get_page_data(compare: Compare, images: Path) -> JsonObject:
    """Rows in the order of the file, the ids of the rows of each finding, and whether more is better.

    Args:
        compare: with examples.
        images: the folder that image paths are relative to (data/).
    """
    return {
        "rows": [_get_row(example, compare, number, images) for number, example in enumerate(compare.examples)],
        "findings": {finding.name: finding.rows for finding in compare.findings},
        "higher": compare.metrics[0].higher is not False,
    }


def _get_row(example: Example, compare: Compare, number: int, images: Path) -> JsonObject:
    wanted = lay_out(example.reference) or example.reference
    prompt = example.prompt[-1]["content"] if example.prompt else ""
    shown = [text for path in example.images if number < IMAGES and (text := embed_file(images / path))]
    if shown:
        prompt = prompt.replace("[image] ", "")
    unit = compare.metrics[0].unit
    more = [
        f"{metric.title} {_pair(example.scores.get(metric.name), metric.unit)}"
        for metric in compare.metrics[1:]
        if example.scores.get(metric.name)
    ]
    more += [f"reward {label} {_pair(list(values), 'points')}" for label, values in example.rewards.items()]
    more += [f"{key}: {value}" for key, value in example.columns.items()]
    pair = [example.base_score, example.tuned_score]
    binary = unit == "share" and set(pair) <= {0.0, 1.0}
    return {
        "id": example.id,
        "change": example.change,
        "scores": " → ".join(BINARY[value or 0.0] for value in pair) if binary else _pair(pair, unit),
        "base_score": example.base_score,
        "tuned_score": example.tuned_score,
        "slice": example.slice or "",
        "near": example.near or "",
        "mistakes": example.mistakes,
        "earlier": [[TURNS.get(turn["role"], turn["role"]), turn["content"]] for turn in example.prompt[:-1]],
        "prompt": prompt,
        "images": shown,
        "reference": wanted,
        "rated_bad": example.rated_bad,
        "base": lay_out(example.base) or example.base,
        "tuned": lay_out(example.tuned) or example.tuned,
        "more": "; ".join(more),
    }


def _pair(values: list[float | None] | None, unit: str) -> str:
    return " → ".join("not scored" if value is None else format_value(value, unit) for value in values or [])
