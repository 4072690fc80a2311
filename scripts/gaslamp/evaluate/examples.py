"""Test rows with both answers, as pages and logs show them."""

from __future__ import annotations

from gaslamp.core.contracts import Example, MetricResult
from gaslamp.data.rows import (
    Message,
    Row,
    format_calls,
    get_calls,
    get_images,
    get_kind,
    get_prompt,
    get_reference,
    get_text,
)
from gaslamp.evaluate.near_duplicates import NearDuplicates
from gaslamp.evaluate.predictions import Answers, Prediction


def make_examples(
    rows: list[Row],
    answers: dict[str, Answers],
    main: MetricResult,
    scores: dict[str, dict[str, list[float | None]]],
    near: NearDuplicates,
) -> list[Example]:
    """One example for each test row, in order.

    Args:
        rows: test rows.
        answers: base | tuned -> predictions by row id.
        main: the deciding metric.
        scores: metric -> base | tuned -> scores of the rows.
        near: near-duplicates of training rows.
    """
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


def get_shown_prompt(row: Row) -> list[Message]:
    """The prompt as text: images are shown as [image], running text and anchors as one turn."""
    kind = get_kind(row)
    if kind == "text":
        return [{"role": "text", "content": row["text"]}]
    if kind == "pair":
        return [{"role": "user", "content": row["anchor"]}]
    shown = []
    for message in get_prompt(row):
        text = "[image] " * len(get_images([message])) + get_text(message)
        calls = [f"\n[calls {format_calls([call])}]" for call in get_calls(message)]
        shown.append({"role": message["role"], "content": text + "".join(calls)})
    return shown


def get_shown_reference(row: Row) -> str:
    """The reference answer as text; for a pair its partner, empty where there is none."""
    kind = get_kind(row)
    if kind == "pair":
        return str(row["positive"])
    if kind == "rating" and not row["label"]:
        return get_text(row["completion"][-1])
    return get_reference(row) or ""


def get_shown_answer(prediction: Prediction) -> str:
    """The answer; without one, the scores or likelihoods of the given texts."""
    if calls := prediction.get("tool_calls"):
        return format_calls(calls)
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


def get_content(prediction: Prediction) -> list[object]:
    """Everything that a model computed for a row, without times: equal for two models that behave the same."""
    return [prediction.get(key) for key in ("text", "tool_calls", "likelihood", "scores", "retrieval")]
