"""Prompts and answers as messages: from text, from turns, or from several columns.

With system text, history and reasoning.
"""

from __future__ import annotations

from typing import Any

from gaslamp.data.cells import get_optional, get_text, join_columns, parse_list, to_text
from gaslamp.data.parts import read_parts
from gaslamp.data.rows import Message, SourceRow
from gaslamp.data.talks import is_talk, read_talk
from gaslamp.data.transcripts import is_transcript, split_transcript
from gaslamp.data.turns import CONTENT_KEYS, ROLE_KEYS, is_turns, read_turn, read_turns


def ask(text: str, system: str | None = None) -> list[Message]:
    """A user turn, with a system turn in front when there is one."""
    turn = {"role": "user", "content": text}
    return [{"role": "system", "content": system}, turn] if system else [turn]


def read_system(row: SourceRow, column: str) -> str | None:
    """The text of a system column: text, or the parts of Anthropic, Gemini (systemInstruction) and Bedrock.

    Raises:
        ValueError: it holds something else than text.
    """
    value = row.get(column)
    if value is None or type(value) is str and not (value[:1] in ("[", "{") and _holds_parts(parse_list(value))):
        return value or None
    value = parse_list(value)
    if not _holds_parts(value):
        return get_optional(row, column)
    if isinstance(value, dict) and "role" in value and "parts" not in value:
        value = value.get("content")
    parts = read_parts(value, True, f"column '{column}'")
    if any(part.image or part.call or part.result for part in parts):
        raise ValueError(f"column '{column}' holds something else than text")
    return "\n".join(part.text for part in parts) or None


def _holds_parts(value: Any) -> bool:
    """Whether a value is parts of a turn, or a turn that holds them."""
    if isinstance(value, dict):
        return isinstance(value.get("parts"), list) or is_message(value) or _is_text(value)
    return isinstance(value, list) and all(_is_text(part) for part in value)


def _is_text(part: Any) -> bool:
    named = isinstance(part, dict) and isinstance(part.get("text"), str)
    return named and (len(part) == 1 or part.get("type") == "text")


def put_system(messages: list[Message], system: str | None) -> list[Message]:
    """Messages with the text of a system column in front.

    When they have a system turn without that text, in front of its text.
    """
    if not system:
        return messages
    first = messages[0]
    if first["role"] != "system":
        return [{"role": "system", "content": system}, *messages]
    content = first["content"]
    if not isinstance(content, str) or system in content:
        return messages
    return [{**first, "content": f"{system}\n\n{content}"}, *messages[1:]]


def read_prompt(row: SourceRow, column: str | list[str], system: str | None = None) -> list[Message]:
    """The messages of a prompt: a column of text, of a transcript or of turns, or several columns, which are joined.

    Raises:
        ValueError: the cells are empty.
    """
    if isinstance(column, list):
        return ask(join_columns(row, column), system)
    value = row.get(column)
    if type(value) is str and is_transcript(value):
        return put_system(split_transcript(value), system)
    if type(value) is str and value[:1] != "[":
        return ask(get_text(row, column), system)
    if is_turns(value):
        turns = read_turns(value, column)
        return put_system(turns, system)
    return ask(get_text(row, column), system)


def read_answer(value: object, column: str) -> list[Message]:
    """The messages of an answer: text, one turn, or a list of turns.

    Raises:
        ValueError: the cell is empty.
    """
    if isinstance(value, str) and not (value[:1] in ("[", "{") and (is_turns(value) or is_message(parse_list(value)))):
        if not value.strip():
            raise ValueError(f"column '{column}' is empty")
        return [{"role": "assistant", "content": value}]
    value = parse_list(value)
    if is_message(value):
        return read_turn(value, column)
    if is_turns(value):
        return read_turns(value, column)
    if value is None or value == []:
        raise ValueError(f"column '{column}' is empty or missing")
    return [{"role": "assistant", "content": to_text(value)}]


def is_message(value: object) -> bool:
    """Whether a value is one turn: an object with a role and a content."""
    return (
        isinstance(value, dict) and any(key in value for key in ROLE_KEYS) and any(key in value for key in CONTENT_KEYS)
    )


def put_reasoning(answer: Message, thought: str) -> Message:
    """An answer of text with the reasoning in front of it, unless it already opens with some."""
    if answer["content"].lstrip().startswith("<think>"):
        return answer
    return {**answer, "content": f"<think>\n{thought}\n</think>\n\n{answer['content']}"}


def read_history(value: object, column: str) -> list[Message]:
    """Earlier rounds: turns, or rounds of a question and an answer in any shape of ``talks``.

    Raises:
        ValueError: a round is neither; it names column and round.
    """
    rounds = parse_list(value)
    if rounds is None or rounds == [] or (isinstance(rounds, str) and not rounds.strip()):
        return []
    if not is_talk(rounds):
        raise ValueError(f"column '{column}', turn 1 is no pair of question and answer, and names no role")
    return read_talk(rounds, column)


def drop_marks(messages: list[Message]) -> list[Message]:
    """The messages of a prompt without marks of what carries loss, which mean nothing there; changed in place."""
    for message in messages:
        message.pop("train", None)
    return messages


def check_marks(messages: list[Message], column: str) -> list[Message]:
    """The messages of an answer, with marks where they say something else than is done without them.

    Args:
        messages: changed in place.
        column: of the answer, for the message.

    Raises:
        ValueError: the last answer is marked as not learnt.
    """
    for message in messages:
        if "train" in message and message["train"] is (message["role"] == "assistant"):
            del message["train"]
    if messages and messages[-1].get("train") is False:
        raise ValueError(
            f"column '{column}': the answer is marked as not learnt (weight 0 or train false), so there is "
            "nothing to learn"
        )
    return messages
