"""The parts of a turn (text, images, reasoning, tool calls), and which characters of it carry loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data.cells import to_text
from gaslamp.data.rows import Message

MARKS = ("train", "training", "weight", "loss_weight", "loss")
"""How Axolotl, OpenAI, LLaMA-Factory and ms-swift mark the turns that carry loss."""
DETAILS = ("train_detail", "training_detail")
"""How Axolotl marks parts of a turn: [{"begin_offset", "end_offset" (inclusive), "train"}]."""


@dataclass(frozen=True)
class Part:
    """A piece of a turn: text, an image or a tool call.

    ``learnt``: whether it is marked to carry loss (None: as its turn).
    """

    text: str = ""
    image: JsonObject | None = None
    call: Any = None
    learnt: bool | None = None


def read_mark(value: JsonObject, place: str) -> bool | None:
    """Whether a turn or a part is marked to carry loss; ``None`` without a mark.

    Raises:
        ValueError: a mark is neither 0 nor 1, or two marks contradict each other.
    """
    found = {key: value[key] for key in MARKS if value.get(key) is not None}
    for key, mark in found.items():
        if not isinstance(mark, bool | int | float) or mark not in (0, 1):
            raise ValueError(
                f"{place}: {key} is {to_text(mark)}, but it can only be learnt or not (1 or 0, true or false)"
            )
    if len(set(map(bool, found.values()))) > 1:
        raise ValueError(f"{place}: {' and '.join(found)} contradict each other")
    return bool(next(iter(found.values()))) if found else None


def read_parts(content: object, has_calls: bool, place: str) -> list[Part]:
    """The parts of a turn whose content is a list, or missing.

    Raises:
        ValueError: there is no content, or a part is of a kind that cannot be learnt from.
    """
    if content is None:
        if has_calls:
            return []
        raise ValueError(f"{place} has no content")
    result: list[Part] = []
    for part in content if isinstance(content, list | tuple) else [content]:
        result += read_part(part, place)
    return result


def read_part(part: object, place: str) -> list[Part]:
    """One part of a turn; reasoning becomes several, with its tags.

    Raises:
        ValueError: the part is of a kind that cannot be learnt from.
    """
    if isinstance(part, str):
        return [Part(part)]
    if not isinstance(part, dict):
        raise ValueError(f"{place}: a part is neither text nor object")
    kind, learnt = part.get("type"), read_mark(part, place)
    words = next((part[key] for key in ("text", "value", "content") if isinstance(part.get(key), str)), None)
    if kind in ("text", "input_text", "output_text") and words is not None:
        return [Part(words, learnt=learnt)]
    if kind in ("reasoning", "thinking", "think"):
        words = words if words is not None else part.get("thinking") or part.get("reasoning")
        if isinstance(words, str):
            return put_thought([Part(words, learnt=learnt)], [])
    if kind in ("tool_call", "function_call", "tool_calls"):
        return [Part(call=words if words is not None else part.get("tool_call") or part.get("value"))]
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
        return [Part(image={"type": "image", "image": image}, learnt=learnt)]
    raise ValueError(
        f"{place}: a part of type '{kind}' cannot be learnt from (known: text, image, reasoning, tool_call)"
    )


def put_thought(thought: list[Part], answer: list[Part]) -> list[Part]:
    """Reasoning as text in front of the answer: so it is learnt whether or not the chat template supports reasoning."""
    if "".join(part.text for part in answer).lstrip().startswith("<think>"):
        return answer  # the column repeats what the answer has
    return [
        Part("<think>\n", learnt=thought[0].learnt),
        *thought,
        Part("\n</think>\n\n", learnt=thought[-1].learnt),
        *answer,
    ]


def join_parts(parts: list[Part]) -> str | list[JsonObject]:
    """The content of a message: text, or a list of parts when there are images."""
    if any(part.image for part in parts):
        return [part.image or {"type": "text", "text": part.text} for part in parts]
    return "".join(part.text for part in parts)


def get_ranges(
    message: Message, parts: list[Part], detail: object, learnt: bool | None, place: str
) -> bool | list[list[int]]:
    """Which characters of a turn carry loss: all, none, or the [begin, end] of each span.

    Args:
        message: the turn.
        parts: of its content.
        detail: Axolotl's train_detail, or None.
        learnt: the mark of the turn itself.
        place: for messages.

    Raises:
        ValueError: the content has images, or ``detail`` is no list of offsets.
    """
    if not isinstance(message["content"], str):
        raise ValueError(f"{place}: parts of a turn with images cannot be marked")
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
