"""What stands in a cell, as text or as turns: the words that all formats share. Text goes through byte for byte."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from gaslamp.data.readers.numbers import read_float, read_int, write_json
from gaslamp.data.readers.python_repr import parse_repr
from gaslamp.data.rows import Message

ROLES = {
    "human": "user",
    "prompter": "user",
    "customer": "user",
    "input": "user",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "ai": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "output": "assistant",
    "agent": "assistant",
    "observation": "tool",
    "function": "tool",
    "function_response": "tool",
    "function-response": "tool",
    "tool_response": "tool",
    "ipython": "tool",
    "function_call": "call",
    "function-call": "call",
    "tool_call": "call",
}
"""Other words for system, user, assistant and tool; ``call`` is an assistant turn that holds calls as JSON."""

ROLE_KEYS = ("role", "from")
CONTENT_KEYS = ("content", "value", "text")
REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
MARKS = ("train", "training", "weight", "loss_weight")
"""How Axolotl, OpenAI and LLaMA-Factory mark the turns that carry loss."""
DETAILS = ("train_detail", "training_detail")
"""How Axolotl marks parts of a turn: [{"begin_offset", "end_offset" (the last letter itself), "train"}]."""
IMAGE_MARK = "<image>"


def get_text(row: dict[str, Any], column: str) -> str:
    """A cell as text: numbers and booleans as JSON writes them, objects as compact JSON. ValueError when there is none."""
    value = row.get(column)
    if type(value) is not str:
        if value is None:
            raise ValueError(f"column '{column}' is empty or missing")
        value = to_text(value)
    if not value or value.isspace():
        raise ValueError(f"column '{column}' is empty")
    return value


def to_text(value: Any) -> str:
    """A value as text; what is no text as compact JSON."""
    if isinstance(value, str):
        return value
    try:
        return write_json(value)
    except ValueError as error:
        raise ValueError("a number is NaN or infinite") from error


def get_optional(row: dict[str, Any], column: str) -> str | None:
    """A cell that may be absent or empty."""
    value = row.get(column)
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else to_text(value)


def first_value(rows: list[dict[str, Any]], column: str) -> Any:
    """The first value of a column that is not empty among the rows that are looked at."""
    return next((row[column] for row in rows if row.get(column) not in (None, "", [])), None)


def find_column(columns: list[str], names: tuple[str, ...]) -> str | None:
    """The first of ``names`` that is a column, whatever its case and with spaces for underscores."""
    lower = {name.lower().strip().replace(" ", "_").replace("-", "_"): name for name in reversed(columns)}
    return next((lower[name] for name in names if name in lower), None)


def parse_list(value: Any) -> Any:
    """A list that a table keeps as JSON text, or as Python printed it, as the list; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{", "a"):
        parsed = parse_json(value)
        return parse_repr(value) or value if parsed is value else parsed
    return value


def parse_json(value: Any) -> Any:
    """A JSON text of a list or object as what it says, numbers as written; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value, parse_float=read_float, parse_int=read_int)
        except (json.JSONDecodeError, RecursionError):
            return value
    return value


def is_turns(value: Any) -> bool:
    """Whether a value is a list of turns, or the JSON of one."""
    value = parse_list(value)
    return (
        isinstance(value, list)
        and bool(value)
        and isinstance(value[0], dict)
        and any(key in value[0] for key in ROLE_KEYS)
    )


def read_turns(value: Any, column: str) -> list[Message]:
    """Turns as messages {role, content, ...}, whatever their keys and roles are called. ValueError names column and turn."""
    value = parse_list(value)
    if not isinstance(value, list) or not value:
        raise ValueError(f"column '{column}' holds no list of turns")
    return [read_turn(turn, column, number) for number, turn in enumerate(value, 1)]


def read_turn(turn: Any, column: str, number: int = 1) -> Message:
    """One turn as a message; keys besides role, content and marks stay as they are.

    Marks of what is learnt become ``train``: false for an assistant turn that carries no loss, true for another turn that does, or
    a list of [begin, end] when it is a part of the letters of ``content``. Without ``train`` assistant turns are learnt, others not.
    """
    if type(turn) is not dict:
        raise ValueError(f"column '{column}', turn {number} is not an object with role and content")
    if (
        len(turn) == 2
        and "role" in turn
        and "content" in turn
        and type(turn["content"]) is str
        and turn["role"] in PLAIN
    ):  # nearly all
        return {"role": turn["role"], "content": turn["content"]}
    role_key = next((key for key in ROLE_KEYS if key in turn), "role")
    content_key = next((key for key in CONTENT_KEYS if key in turn), "content")
    role, content = turn.get(role_key), turn.get(content_key)
    if not isinstance(role, str) or not role.strip():
        raise ValueError(f"column '{column}', turn {number} has no role")
    lower = role.strip().lower()
    role = ROLES.get(lower, lower)
    place = f"column '{column}', turn {number}"
    used = (role_key, content_key, *MARKS, *DETAILS, *(REASONING_KEYS if role == "assistant" else ()))
    rest = {key: item for key, item in turn.items() if key not in used and item is not None and item != []}
    calls = rest.pop("tool_calls", None)
    if role == "call":
        role, calls, content = "assistant", read_calls(content, column, number), ""
    elif calls is not None:
        calls = read_calls(calls, column, number)
    if "function_call" in rest and role == "assistant" and calls is None:  # OpenAI's older word
        calls = read_calls(rest.pop("function_call"), column, number)
    learnt = _read_mark(turn, place)
    if isinstance(content, str | dict | int | float):
        parts = [_Part(to_text(content))]
    elif content is None or isinstance(content, list):
        parts = _read_parts(content, calls is not None, place)
    else:
        raise ValueError(f"{place}: its content is no text")
    if made := [part.call for part in parts if part.call is not None]:
        calls = [*(calls or ()), *(call for value in made for call in read_calls(value, column, number))]
        parts = [part for part in parts if part.call is None]
    if role == "assistant" and (thought := next((turn[key] for key in REASONING_KEYS if turn.get(key)), None)):
        parts = _think(
            _read_parts(thought, False, place) if isinstance(thought, list) else [_Part(to_text(thought))], parts
        )
    message: Message = {"role": role, "content": _join(parts)}
    if calls:
        message["tool_calls"] = calls
    detail = next((turn[key] for key in DETAILS if turn.get(key)), None)
    if any(part.learnt is not None for part in parts) or detail is not None:
        message["train"] = _get_ranges(message, parts, detail, learnt, place)
    elif learnt is not None:
        message["train"] = learnt
    if message.get("train") is (role == "assistant"):  # what is done without a mark
        del message["train"]
    return {**message, **rest}


PLAIN = frozenset(("user", "assistant", "system", "tool"))


@dataclass(frozen=True)
class _Part:
    """A piece of a turn: text, or a picture, or a call of a tool; and whether it is marked to be learnt (None: as its turn)."""

    text: str = ""
    image: dict[str, Any] | None = None
    call: Any = None
    learnt: bool | None = None


def _read_mark(value: dict[str, Any], place: str) -> bool | None:
    """Whether a turn or a part says that it is learnt; ``None`` when it says nothing."""
    found = {key: value[key] for key in MARKS if value.get(key) is not None}
    for key, mark in found.items():
        if not isinstance(mark, bool | int | float) or mark not in (0, 1):
            raise ValueError(
                f"{place}: {key} is {to_text(mark)}, but it can only be learnt or not (1 or 0, true or false)"
            )
    if len(set(map(bool, found.values()))) > 1:
        raise ValueError(f"{place}: {' and '.join(found)} contradict each other")
    return bool(next(iter(found.values()))) if found else None


def _read_parts(content: Any, has_calls: bool, place: str) -> list[_Part]:
    """The parts of a turn whose content is a list, or nothing."""
    if content is None:
        if has_calls:
            return []
        raise ValueError(f"{place} has no content")
    result: list[_Part] = []
    for part in content:
        result += _read_part(part, place)
    return result


def _read_part(part: Any, place: str) -> list[_Part]:
    if isinstance(part, str):
        return [_Part(part)]
    if not isinstance(part, dict):
        raise ValueError(f"{place}: a part is neither text nor object")
    kind, learnt = part.get("type"), _read_mark(part, place)
    words = next((part[key] for key in ("text", "value", "content") if isinstance(part.get(key), str)), None)
    if kind in ("text", "input_text", "output_text") and words is not None:
        return [_Part(words, learnt=learnt)]
    if kind in ("reasoning", "thinking", "think"):
        words = words if words is not None else part.get("thinking") or part.get("reasoning")
        if isinstance(words, str):
            return _think([_Part(words, learnt=learnt)], [])
    if kind in ("tool_call", "function_call", "tool_calls"):
        return [_Part(call=words if words is not None else part.get("tool_call") or part.get("value"))]
    if kind in ("image", "image_url", "input_image"):
        image = part.get("image")
        if image is None:
            image = (
                part.get("image_url")
                if part.get("image_url") is not None
                else part.get("url") or part.get("path") or part.get("value")
            )
        if isinstance(image, dict) and "url" in image:
            image = image["url"]
        return [_Part(image={"type": "image", "image": image}, learnt=learnt)]
    raise ValueError(
        f"{place}: a part of type '{kind}' cannot be learnt from (known: text, image, reasoning, tool_call)"
    )


def _think(thought: list[_Part], answer: list[_Part]) -> list[_Part]:
    """What a model thinks before it answers, as text in front of the answer: so it is learnt whatever the chat template knows."""
    if "".join(part.text for part in answer).lstrip().startswith("<think>"):
        return answer  # the column repeats what the answer has
    return [
        _Part("<think>\n", learnt=thought[0].learnt),
        *thought,
        _Part("\n</think>\n\n", learnt=thought[-1].learnt),
        *answer,
    ]


def _join(parts: list[_Part]) -> Any:
    if any(part.image for part in parts):
        return [part.image or {"type": "text", "text": part.text} for part in parts]
    return "".join(part.text for part in parts)


def _get_ranges(
    message: Message, parts: list[_Part], detail: Any, learnt: bool | None, place: str
) -> bool | list[list[int]]:
    """Which letters of a turn are learnt: all, none, or [begin, end] of each stretch."""
    if not isinstance(message["content"], str):
        raise ValueError(f"{place}: parts of a turn with pictures cannot be marked")
    default = message["role"] == "assistant" if learnt is None else learnt
    ranges: list[list[int]] = []
    size = len(message["content"])
    if detail is not None:
        if not isinstance(detail, list) or not all(
            isinstance(item, dict) and type(item.get("begin_offset")) is type(item.get("end_offset")) is int
            for item in detail
        ):
            raise ValueError(f"{place}: train_detail is no list of {{begin_offset, end_offset, train}}")
        ranges = [
            [max(0, item["begin_offset"]), min(size, item["end_offset"] + 1)] for item in detail if item.get("train")
        ]
    else:
        at = 0
        for part in parts:
            if part.learnt if part.learnt is not None else default:
                ranges.append([at, at + len(part.text)])
            at += len(part.text)
    merged: list[list[int]] = []
    for begin, end in sorted(item for item in ranges if item[0] < item[1]):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([begin, end])
    return merged == [[0, size]] or bool(merged) and merged


def read_calls(value: Any, column: str, number: int) -> list[dict[str, Any]]:
    """Tool calls in the form chat templates take: {"type": "function", "function": {"name", "arguments": object}}."""
    calls = parse_list(value)
    if isinstance(calls, dict):
        calls = [calls]
    if not isinstance(calls, list) or not calls:
        raise ValueError(f"column '{column}', turn {number}: its tool calls are no JSON list of {{name, arguments}}")
    result = []
    for call in calls:
        inner = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
            raise ValueError(f"column '{column}', turn {number}: a tool call has no name")
        arguments = inner.get("arguments", inner.get("parameters", {}))
        parsed = parse_json(arguments)
        known = {"id": call["id"]} if isinstance(call.get("id"), str) else {}
        result.append(
            {
                **known,
                "type": "function",
                "function": {"name": inner["name"], "arguments": {} if parsed is None else parsed},
            }
        )
    return result


def read_tools(value: Any, column: str) -> list[dict[str, Any]]:
    """Tool schemas as a list; a JSON text of one, or a single one, too."""
    tools = parse_list(value)
    if isinstance(tools, dict):
        tools = [tools]
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise ValueError(f"column '{column}' holds no JSON list of tools")
    return [tool if "function" in tool else {"type": "function", "function": tool} for tool in tools]


def ask(text: str, system: str | None = None) -> list[Message]:
    """A user turn, with a system turn in front when there is one."""
    turn = {"role": "user", "content": text}
    return [{"role": "system", "content": system}, turn] if system else [turn]


def put_system(messages: list[Message], system: str | None) -> list[Message]:
    """Messages with the text of a system column in front: of their system turn when they have one that does not say it already."""
    if not system:
        return messages
    first = messages[0]
    if first["role"] != "system":
        return [{"role": "system", "content": system}, *messages]
    content = first["content"]
    if not isinstance(content, str) or system in content:
        return messages
    return [{**first, "content": f"{system}\n\n{content}"}, *messages[1:]]


def join_columns(row: dict[str, Any], columns: list[str]) -> str:
    """Several cells as one text, each below the name of its column; empty ones are left out.

    Raises:
        ValueError: all of them are empty.
    """
    cells = [(column, text) for column in columns if (text := get_optional(row, column)) and not text.isspace()]
    if not cells:
        raise ValueError(f"columns {', '.join(columns)} are empty")
    return "\n".join(f"{column}: {text}" for column, text in cells)


def read_prompt(row: dict[str, Any], column: str | list[str], system: str | None = None) -> list[Message]:
    """The messages of a prompt: a column of text or of turns, or several columns, which are joined.

    Raises:
        ValueError: the cells are empty.
    """
    if isinstance(column, list):
        return ask(join_columns(row, column), system)
    value = row.get(column)
    if type(value) is str and value[:1] != "[":
        return ask(get_text(row, column), system)
    if is_turns(value):
        turns = read_turns(value, column)
        return put_system(turns, system)
    return ask(get_text(row, column), system)


def read_answer(value: Any, column: str) -> list[Message]:
    """What is answered: text, one turn, or a list of turns."""
    if isinstance(value, str) and not (value[:1] in ("[", "{") and (is_turns(value) or _is_turn(parse_list(value)))):
        if not value.strip():
            raise ValueError(f"column '{column}' is empty")
        return [{"role": "assistant", "content": value}]
    value = parse_list(value)
    if _is_turn(value):
        return [read_turn(value, column)]
    if is_turns(value):
        return read_turns(value, column)
    if value is None or value == []:
        raise ValueError(f"column '{column}' is empty or missing")
    return [{"role": "assistant", "content": to_text(value)}]


def _is_turn(value: Any) -> bool:
    return (
        isinstance(value, dict) and any(key in value for key in ROLE_KEYS) and any(key in value for key in CONTENT_KEYS)
    )


def put_reasoning(answer: Message, thought: str) -> Message:
    """An answer of text with the reasoning in front of it, unless it already opens with some."""
    if answer["content"].lstrip().startswith("<think>"):
        return answer
    return {**answer, "content": f"<think>\n{thought}\n</think>\n\n{answer['content']}"}


def read_history(value: Any, column: str) -> list[Message]:
    """Earlier rounds: a list of [question, answer] pairs, or of turns.

    Raises:
        ValueError: a round is neither; it names column and round.
    """
    rounds = parse_list(value) or []
    if is_turns(rounds):
        return read_turns(rounds, column)
    messages: list[Message] = []
    for number, turn in enumerate(rounds, 1):
        if not isinstance(turn, list | tuple) or len(turn) != 2:
            raise ValueError(f"column '{column}', turn {number} is no pair of question and answer")
        messages += [{"role": "user", "content": to_text(turn[0])}, {"role": "assistant", "content": to_text(turn[1])}]
    return messages


def drop_marks(messages: list[Message], column: str = "") -> list[Message]:
    """Messages without marks of what is learnt: where only the last answer counts, they mean nothing.

    Args:
        messages: changed in place.
        column: of the answer that is judged: it must not be marked as not learnt. Empty: these stand before it.
    """
    for message in messages:
        if message.pop("train", None) in (False,) and column and message["role"] == "assistant":
            raise ValueError(
                f"column '{column}': the answer is marked as not learnt (weight 0 or train false), so there is nothing to judge"
            )
    return messages
