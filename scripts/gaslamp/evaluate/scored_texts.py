"""The texts whose likelihood (or score, of a reward model) the metrics need, as tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from gaslamp.core.contracts import Template
from gaslamp.data.encode import split_answer
from gaslamp.data.rows import Message, Row, get_answer, get_images, get_kind, get_prompt, get_reference
from gaslamp.evaluate.likelihood import WINDOW, Sequence, get_continuation, get_windows
from gaslamp.models.template import Renderer


@dataclass(frozen=True)
class Text:
    """A text to be scored; ``key``: likelihood or score, row id, name of the text [, number of the window]."""

    key: tuple[str, ...]
    sequence: Sequence = field(compare=False)


def get_texts(
    rows: list[Row],
    needed: Mapping[str, Mapping[str, object]],
    renderer: Renderer,
    template: Template,
    context: int | None,
    artefact: str,
) -> list[Text]:
    """Every text that the needed model outputs ask for, as tokens.

    ``reference`` (or ``text``), ``chosen``, ``rejected``, ``completion`` and ``choice:<text>`` are the names that
    metrics find in ``prediction["likelihood"]``; a classifier's go to ``prediction["scores"]``.

    Args:
        rows: test rows.
        needed: model output -> its options, see ``get_needed_outputs``.
        renderer, template: as recorded by the data phase.
        context: most tokens that the model takes; ``None``: not known.
        artefact: of the method: causal_lm, classifier or encoder.
    """
    texts = []
    for row in rows:
        kind, continuations = get_kind(row), {}
        if artefact == "encoder":
            continue
        if "reference" in needed and kind == "text":
            limit = min(WINDOW, context or WINDOW)
            for number, window in enumerate(get_windows(renderer.tokenize(row["text"]), template.bos_id, limit)):
                texts.append(Text(("likelihood", row["id"], "text", str(number)), window))
            continue
        if get_images(get_prompt(row)):
            continue  # images become tokens in the model's processor: such rows are scored by their answers
        if "reference" in needed and (answer := get_answer(row)) is not None:
            continuations["reference"] = [{key: value for key, value in answer.items() if key != "train"}]
        if "preference" in needed and kind == "preference":
            continuations |= {"chosen": row["chosen"], "rejected": row["rejected"]}
        if "preference" in needed and kind == "rating":
            continuations["completion"] = row["completion"]
        if "choices" in needed:
            for choice in get_choices(row, rows, needed["choices"]):
                continuations[f"choice:{choice}"] = [{"role": "assistant", "content": choice}]
        for name, messages in continuations.items():
            sequence = (
                _encode_scored(renderer, row, messages, context)
                if artefact == "classifier"
                else _encode(renderer, row, messages, context)
            )
            texts.append(Text(("score" if artefact == "classifier" else "likelihood", row["id"], name), sequence))
    return texts


def _encode(renderer: Renderer, row: Row, completion: list[Message], context: int | None) -> Sequence:
    """Prompt and completion as in training: the token that ends an answer belongs to it, results of tools do not."""
    encoded = renderer.encode_pieces([split_answer(renderer, get_prompt(row), completion, row.get("tools"))])[0]
    measured = [int(carries) for carries in encoded.trained]
    start = measured.index(1) if 1 in measured else len(measured)
    return get_continuation(encoded.ids[:start], encoded.ids[start:], None, context, measured[start:])


def _encode_scored(renderer: Renderer, row: Row, completion: list[Message], context: int | None) -> Sequence:
    """The whole conversation as a reward model was trained on it.

    It is scored at the very last token of the template, which may come after the end of the answer.
    """
    ids = renderer.tokenize(renderer.render([*get_prompt(row), *completion], generate=False, tools=row.get("tools")))
    return Sequence(ids[-context:] if context else ids, 1)


def get_choices(row: Row, rows: list[Row], options: Mapping[str, object]) -> list[str]:
    """The possible answers of a row: of the option ``choices``, of a column, or all references of the test set."""
    if isinstance(choices := options.get("choices"), list) and choices:
        return [str(choice) for choice in choices]
    if column := options.get("column"):
        value = row.get("columns", {}).get(column, "")
        if not isinstance(value, list):
            text = str(value)
            value = json.loads(text) if text.lstrip().startswith("[") else text.split("|")
        return [str(part).strip() for part in value]
    return sorted({reference.strip() for other in rows if (reference := get_reference(other)) is not None})
