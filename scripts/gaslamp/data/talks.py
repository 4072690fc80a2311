"""Whole conversations whose turns need not name their role: rounds of a question and an answer, texts in turn."""

from __future__ import annotations

from typing import Any

from gaslamp.data.cells import parse_list, to_text
from gaslamp.data.parts import MARKS, read_mark
from gaslamp.data.rows import Message
from gaslamp.data.turns import PLAIN, get_role, is_turns, read_turns

SPEAKERS = {
    "question": "user",
    "query": "user",
    "prompt": "user",
    "instruction": "user",
    "q": "user",
    "request": "user",
    "answer": "assistant",
    "response": "assistant",
    "reply": "assistant",
    "completion": "assistant",
    "a": "assistant",
}
"""Keys of a round that name a role, besides the names of roles ({"input", "output"} of Capybara, {"user": ...})."""
ORDER = ("system", "user", "assistant")
XTUNER = "output_with_loss"
"""How XTuner marks a round whose answer carries no loss, besides the marks of turns."""


def is_talk(value: object) -> bool:
    """Whether a value is a conversation: turns, rounds of a question and an answer, or texts of two speakers in turn.

    JSON of one counts. Rounds are objects whose keys name roles, or lists of two texts.
    """
    value = unwrap(value)
    if is_turns(value):
        return True
    if not isinstance(value, list) or not value:
        return False
    if all(isinstance(turn, str) for turn in value):
        return len(value) > 1
    return all(_is_round(turn) for turn in value[:5])


WRAPPERS = ("messages", "conversations", "conversation", "turns", "contents")


def unwrap(value: object) -> Any:
    """The conversation inside a cell: of an object that holds one, of a list around it, of a single round."""
    value = parse_list(value)
    if isinstance(value, dict):
        inner = next((parse_list(value[key]) for key in WRAPPERS if key in value), None)
        return inner if isinstance(inner, list) else [value] if _is_round(value) else value
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list) and is_turns(value[0]):
        return value[0]
    return value


def _is_round(turn: Any) -> bool:
    if isinstance(turn, dict):
        speakers = {speaker for key in turn if (speaker := get_speaker(key))}
        texts = [item for key, item in turn.items() if get_speaker(key)]
        others = len(turn) - len(texts)
        whole = {"user", "assistant"} <= speakers or (len(texts) == 1 and not others and speakers <= set(ORDER))
        return whole and all(item is None or isinstance(item, str) for item in texts)
    return (
        isinstance(turn, list | tuple)
        and len(turn) == 2
        and all(item is None or isinstance(item, str) for item in turn)
    )


def get_speaker(key: object) -> str:
    """The role that a key of a round names: user, assistant or system; "" for another key."""
    role = SPEAKERS.get(key.strip().lower(), get_role(key)) if isinstance(key, str) else ""
    return role if role in ORDER else ""


def read_talk(value: object, column: str) -> list[Message]:
    """A conversation as messages.

    Raises:
        ValueError: names column and turn.
    """
    if type(value) is list and value and type(value[0]) is dict and "role" in value[0]:  # nearly all
        return read_turns(value, column)
    value = unwrap(value)
    if is_turns(value) or not isinstance(value, list) or not value:
        return read_turns(value, column)
    if isinstance(value[0], str):
        return [
            _say("assistant" if number % 2 else "user", text, column, number + 1) for number, text in enumerate(value)
        ]
    messages: list[Message] = []
    named = all(isinstance(turn, list | tuple) and turn and get_role(turn[0]) in PLAIN for turn in value)
    for number, turn in enumerate(value, 1):
        if not _is_round(turn):
            lacks = "has no role" if isinstance(turn, dict) else "is no pair of question and answer"
            raise ValueError(f"column '{column}', turn {number} {lacks}")
        if named:  # ["user", "text"]
            messages.append(_say(get_role(turn[0]), turn[1], column, number))
        elif isinstance(turn, dict):
            messages += _read_round(turn, column, number)
        else:  # a chat that the assistant opens has no first question
            pairs = zip(("user", "assistant"), turn, strict=True)
            messages += [_say(role, text, column, number) for role, text in pairs if text is not None or number > 1]
    return messages


def _read_round(turn: dict[str, Any], column: str, number: int) -> list[Message]:
    """The messages of a round; keys that name nobody stay with the last one."""
    found = {speaker: item for key, item in turn.items() if (speaker := get_speaker(key))}
    if len(found) < sum(bool(get_speaker(key)) for key in turn):
        raise ValueError(f"column '{column}', turn {number} has two keys for one speaker: {', '.join(turn)}")
    rest = {key: item for key, item in turn.items() if not get_speaker(key) and item is not None}
    marks = {key: rest.pop(key) for key in (*MARKS, XTUNER) if key in rest}
    if XTUNER in marks:
        marks["loss"] = marks.pop(XTUNER)
    messages = [_say(role, found[role], column, number) for role in ORDER if found.get(role) is not None]
    if messages:
        messages[-1] |= rest
        if messages[-1]["role"] == "assistant" and read_mark(marks, f"column '{column}', turn {number}") is False:
            messages[-1]["train"] = False
    return messages


def _say(role: str, text: Any, column: str, number: int) -> Message:
    if text is None:
        raise ValueError(f"column '{column}', turn {number} has no text")
    return {"role": role, "content": to_text(text)}
