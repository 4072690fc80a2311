"""What a generated row holds, by the kind of row that the method takes, as fields of a flat JSON object."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data.rows import Row, get_prompt, get_reference, get_text


@dataclass(frozen=True)
class Field:
    """One field of the object.

    Attributes:
        name: its key.
        about: what it holds, for the model.
        is_answer: it follows data.generate.answer.
        type: of JSON.
    """

    name: str
    about: str
    is_answer: bool = False
    type: str = "string"


_PROMPT = Field("prompt", "what a user writes to the model")
SHAPES: dict[str, tuple[Field, ...]] = {
    "conversation": (_PROMPT, Field("completion", "the answer that the model should give", True)),
    "preference": (
        _PROMPT,
        Field("chosen", "a good answer", True),
        Field("rejected", "a worse answer to the same prompt: plausible, but wrong, incomplete or off the task", True),
    ),
    "rating": (
        _PROMPT,
        Field("completion", "an answer, good or bad", True),
        Field("label", "whether that answer is good", type="boolean"),
    ),
    "prompt": (_PROMPT, Field("answer", "the correct result, as short as possible", True)),
    "pair": (
        Field("anchor", "a short text, such as a search query"),
        Field("positive", "a text that belongs to it, such as the passage that answers it"),
    ),
}
"""Kind of row -> its fields."""


def get_schema(kind: str, answer: JsonObject | None = None) -> JsonObject:
    """The JSON schema of an object with the fields of ``kind``; ``answer``: that of its answers."""
    properties: JsonObject = {
        field.name: (answer if field.is_answer and answer else {"type": field.type}) for field in SHAPES[kind]
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def make_row(fields: JsonObject, kind: str) -> Row:
    """The row of checked fields; an answer that is no text becomes JSON text."""
    texts: JsonObject = {name: _get_text(value) for name, value in fields.items()}
    if kind == "pair":
        return texts
    prompt = [{"role": "user", "content": texts["prompt"]}]
    if kind == "conversation":
        return {"messages": [*prompt, _answer(texts["completion"])]}
    if kind == "prompt":
        return {"prompt": prompt, "answer": texts["answer"]}
    if kind == "rating":
        return {"prompt": prompt, "completion": [_answer(texts["completion"])], "label": bool(fields["label"])}
    return {"prompt": prompt, "chosen": [_answer(texts["chosen"])], "rejected": [_answer(texts["rejected"])]}


def _answer(text: str) -> JsonObject:
    return {"role": "assistant", "content": text}


def _get_text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def get_fields(row: Row, kind: str) -> JsonObject:
    """The fields of a row, to show it as an example.

    A prompt of several turns is one text, without its system prompt.
    """
    if kind == "pair":
        return {name: row[name] for name in ("anchor", "positive")}
    turns = [turn for turn in get_prompt(row) if turn["role"] != "system"]
    prompt = get_text(turns[0]) if len(turns) == 1 else "\n".join(f"{turn['role']}: {get_text(turn)}" for turn in turns)
    if kind == "preference":
        answers = {side: "\n".join(get_text(turn) for turn in row[side]) for side in ("chosen", "rejected")}
        return {"prompt": prompt, **answers}
    if kind == "rating":
        text = "\n".join(get_text(turn) for turn in row["completion"])
        return {"prompt": prompt, "completion": text, "label": bool(row["label"])}
    return {"prompt": prompt, "completion" if kind == "conversation" else "answer": get_reference(row) or ""}
