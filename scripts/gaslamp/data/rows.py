"""Rows after the data phase, whatever file and method they came from: their kinds, and what all phases need of them.

A row is a dict with ``id`` and the keys of its kind; which kind it is shows in its keys.

    conversation   messages                        a conversation; its last assistant turn is the reference answer
    text           text                            running text, for continued pre-training
    preference     prompt, chosen, rejected        three lists of messages; ``margin``: how much better (a number)
    rating         prompt, completion, label       two lists of messages and a bool: good or bad
    prompt         prompt [, answer]               messages to answer; rewards score them, maybe against ``answer``
    pair           anchor, positive [, negative]   texts that belong together, for embeddings
    speech         audio, transcript [, speaker]   a recording; on disk a conversation with audio tokens, and ``audio``

Any row may also have ``tools`` (JSON schemas the model may call), ``slice`` (scored separately), and ``columns`` (the
user's other columns by name). A message is {role, content [, tool_calls, tool_call_id, name]}; content is text, or a
list of parts {"type": "text", "text": ...} and {"type": "image", "image": path relative to the folder of the row's
file}.

``train`` says what carries loss where it is not the default (every assistant turn, all of a text): in a message
false, true, or a list of [begin, end] of the characters of its content that do; in a ``text`` row such a list, of its
text.

Standard library only: the Snakefile's helpers and every backend's interpreter may import it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypedDict

from gaslamp.models.messages import split_thought

Message = dict[str, Any]
Row = dict[str, Any]
SourceRow = dict[str, Any]
"""A row as it stands in the user's file: a value for each column, before a format converts it."""


class ToolCall(TypedDict):
    """A call of a tool; ``arguments``: an object, or the JSON text of one."""

    name: str
    arguments: Any


KINDS: dict[str, tuple[str, ...]] = {
    "conversation": ("messages",),
    "preference": ("prompt", "chosen", "rejected"),
    "rating": ("prompt", "completion", "label"),
    "pair": ("anchor", "positive"),
    "speech": ("audio", "transcript"),
    "text": ("text",),
    "prompt": ("prompt",),
}
"""Kind -> the keys it must have; in this order the first that fits is the kind of a row."""


Pair = tuple[str, str]
"""A question and its answer, both text: a conversation of which nobody has needed the row yet."""


class LeftOut(Exception):
    """A row that is right but not learnt: a tie, a rating below the threshold, a question without an answer.

    Says why.
    """


def get_row(made: Row | Pair) -> Row:
    """The row, made of a pair where it is one."""
    if isinstance(made, dict):
        return made
    question, answer = made
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def is_plain(row: Row) -> bool:
    """Whether a row is a conversation of texts, none blank, user and assistant alternating (system in front)."""
    messages = row.get("messages")
    if not messages:
        return False
    expected = "user"
    for number, message in enumerate(messages):
        role, content = message["role"], message["content"]
        if role != expected:
            if number or role != "system" or type(content) is not str:
                return False
            continue
        if type(content) is not str or not content or content.isspace():
            return False
        expected = "assistant" if role == "user" else "user"
    return expected == "user" and len(messages) > 1


def get_kind(row: Row) -> str:
    """The kind of a row on disk. Raises ValueError for a row of none."""
    for kind, keys in KINDS.items():
        if all(key in row for key in keys):
            return kind
    raise ValueError(
        f"a row with {', '.join(sorted(row))} is of no kind: it needs the keys of one of {', '.join(KINDS)}"
    )


def get_prompt(row: Row) -> list[Message]:
    """The prompt: the messages before the answer. Empty for ``text`` and ``pair`` rows, which have none."""
    if "messages" in row:
        messages = _get_conversation(row)[:-1]
        if any("train" in message for message in messages):
            return [{key: value for key, value in message.items() if key != "train"} for message in messages]
        return messages
    prompt: list[Message] = row.get("prompt", [])
    return prompt


def _get_conversation(row: Row) -> list[Message]:
    """The turns of a conversation up to the last answer that is learnt.

    One that is marked as not learnt is no reference.
    """
    messages: list[Message] = row["messages"]
    if messages[-1].get("train") is False:
        learnt = [
            number
            for number, message in enumerate(messages)
            if message["role"] == "assistant" and message.get("train") is not False
        ]
        return messages[: learnt[-1] + 1] if learnt else messages
    return messages


def get_answer(row: Row) -> Message | None:
    """The assistant turn that is the reference answer.

    ``None`` when the row holds none (a prompt that only a reward scores).
    """
    kind = get_kind(row)
    if kind == "conversation":
        return _get_conversation(row)[-1]
    turns: list[Message] = []
    if kind == "preference":
        turns = row["chosen"]
    elif kind == "rating" and row["label"]:
        turns = row["completion"]
    if turns:
        return turns[-1]
    if kind == "prompt" and row.get("answer") is not None:
        return {"role": "assistant", "content": str(row["answer"])}
    return None


def get_reference(row: Row, thoughts: bool = False) -> str | None:
    """The reference answer as text, tool calls as JSON; ``None`` when the row holds none.

    The final answer, as a server gives it; ``thoughts``: with the thoughts in front of it.
    """
    answer = get_answer(row)
    if answer is None:
        return None
    calls = get_calls(answer)
    text = get_text(answer) if thoughts else split_thought(get_text(answer))[1]
    return "\n".join(part for part in (text, format_calls(calls) if calls else "") if part)


def get_calls(message: Message) -> list[ToolCall]:
    """The tool calls of a message, in order."""
    calls = [call.get("function", call) for call in message.get("tool_calls") or []]
    return [{"name": call["name"], "arguments": call.get("arguments", {})} for call in calls]


def format_calls(calls: list[ToolCall]) -> str:
    """Calls as JSON text: one object, or a list of several; arguments that are text stand in it as they are."""
    texts = []
    for call in calls:
        arguments = call["arguments"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        texts.append(f'{{"name": {json.dumps(call["name"], ensure_ascii=False)}, "arguments": {text}}}')
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def get_question(row: Row) -> bytes:
    """16 bytes that are equal for rows with the same prompt.

    The split keeps these together, and leaks are found by them.
    """
    kind = get_kind(row)
    value = row["text"] if kind == "text" else row["anchor"] if kind == "pair" else get_prompt(row)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def get_user_prompt(row: Row) -> str:
    """The prompt without its system turn: equal for the same row with another system prompt, method or base model."""
    kind = get_kind(row)
    turns = [turn for turn in get_prompt(row) if turn["role"] != "system"] if kind not in ("text", "pair") else []
    return json.dumps(turns, ensure_ascii=False) if turns else str(row["text" if kind == "text" else "anchor"])


def get_text(message: Message) -> str:
    """The text of a message, without its images."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")


def get_images(messages: list[Message]) -> list[str]:
    """The image paths of some messages, in order."""
    return [
        part["image"]
        for message in messages
        if isinstance(message.get("content"), list)
        for part in message["content"]
        if part.get("type") == "image"
    ]


def adapt(row: Row, kind: str) -> Row:
    """``row`` as a row of another kind, where nothing has to be invented: preference or good rating -> conversation ...

    Raises:
        ValueError: there is no honest way (a conversation has no rejected answer).
    """
    own = get_kind(row)
    if own == kind:
        return row
    rest = {key: value for key, value in row.items() if key not in KINDS[own] and key not in ("answer", "margin")}
    if kind == "conversation" and own == "preference":
        return {**rest, "messages": [*row["prompt"], *row["chosen"]]}
    if kind == "conversation" and own == "rating" and row["label"]:
        return {**rest, "messages": [*row["prompt"], *row["completion"]]}
    if kind == "conversation" and own == "prompt" and row.get("answer") is not None:
        return {**rest, "messages": [*row["prompt"], {"role": "assistant", "content": str(row["answer"])}]}
    if kind == "prompt" and own in ("conversation", "preference", "rating"):
        reference = get_reference(row)
        return {**rest, "prompt": get_prompt(row), **({} if reference is None else {"answer": reference})}
    if kind == "conversation" and own == "rating":
        raise ValueError("its answer is rated bad: it would be learnt as a good one")
    if kind == "conversation" and own == "prompt":
        raise ValueError("it has no answer to learn")
    raise ValueError(
        f"a {own} row cannot serve as a {kind} row: {', '.join(key for key in KINDS[kind] if key not in row)} "
        "would have to be invented"
    )


def adapt_all(row: Row, kind: str) -> list[Row]:
    """``row`` as rows of another kind: one, as ``adapt`` makes it; two ratings, good and bad, of a preference.

    Raises:
        ValueError: there is no honest way.
    """
    if kind != "rating" or get_kind(row) != "preference":
        return [adapt(row, kind)]
    rest = {key: value for key, value in row.items() if key not in ("chosen", "rejected", "margin")}
    return [{**rest, "completion": row[side], "label": side == "chosen"} for side in ("chosen", "rejected")]


def can_adapt(own: str, kind: str) -> bool:
    """Whether ``adapt_all`` may make rows of a kind from one of kind ``own`` (single rows may lack something)."""
    return own == kind or (own, kind) in {
        ("preference", "conversation"),
        ("preference", "rating"),
        ("rating", "conversation"),
        ("prompt", "conversation"),
        ("conversation", "prompt"),
        ("preference", "prompt"),
        ("rating", "prompt"),
    }
