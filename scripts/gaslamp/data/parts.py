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
    """A piece of a turn: text, an image, a tool call, or what a tool returned.

    ``learnt``: whether it is marked to carry loss (None: as its turn).
    """

    text: str = ""
    image: JsonObject | None = None
    call: Any = None
    result: Message | None = None
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
    if isinstance(content, dict) and isinstance(
        content.get("parts"), list
    ):  # {"role", "parts"}, {"content_type", "parts"}
        content = content["parts"]
    result: list[Part] = []
    for part in content if isinstance(content, list | tuple) else [content]:
        result += read_part(part, place)
    return result


KINDS = {
    "input_text": "text",
    "output_text": "text",
    "summary_text": "text",
    "reasoning_text": "text",
    "reasoning": "thought",
    "thinking": "thought",
    "think": "thought",
    "reasoningContent": "thought",
    "tool_call": "call",
    "tool_calls": "call",
    "function_call": "call",
    "functionCall": "call",
    "tool_use": "call",
    "toolUse": "call",
    "tool_result": "result",
    "toolResult": "result",
    "function_response": "result",
    "functionResponse": "result",
    "image_url": "image",
    "input_image": "image",
    "inlineData": "image",
    "inline_data": "image",
    "fileData": "image",
    "file_data": "image",
    "cachePoint": "nothing",
}
"""What the type of a part (or its only key, for Gemini and Bedrock) means, where it is not called so."""
NAMES = ("text", "refusal", "image", *KINDS)


def read_part(part: object, place: str) -> list[Part]:
    """One part of a turn; reasoning becomes several, with its tags.

    Raises:
        ValueError: the part is of a kind that cannot be learnt from.
    """
    if isinstance(part, str):
        return [Part(part)]
    if not isinstance(part, dict):
        raise ValueError(f"{place}: a part is neither text nor object")
    name = part.get("type")
    if not isinstance(name, str):
        name = next((key for key in NAMES if part.get(key) is not None), None)
    kind, learnt = KINDS.get(str(name), name), read_mark(part, place)
    inner = part[name] if isinstance(name, str) and isinstance(part.get(name), dict) else part
    words = next((inner[key] for key in ("text", "value", "content") if isinstance(inner.get(key), str)), None)
    if kind == "text" and words is not None:
        return (
            put_thought([Part(words, learnt=learnt)], [])
            if part.get("thought") is True
            else [Part(words, learnt=learnt)]
        )
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return [Part(part["refusal"], learnt=learnt)]
    if kind == "nothing":
        return []
    if kind == "thought":
        words = words if words is not None else _get_thought(inner)
        if isinstance(words, str):
            return put_thought([Part(words, learnt=learnt)], [])
    if kind == "call":
        if words is not None:
            return [Part(call=words)]
        return [Part(call=inner if isinstance(inner.get("name"), str) else part.get("tool_call") or part.get(name))]
    if kind == "result":
        return [Part(result=read_result(inner, place))]
    if kind == "image":
        return [Part(image={"type": "image", "image": _get_image(part, inner, place)}, learnt=learnt)]
    if name == "redacted_thinking":
        raise ValueError(
            f"{place}: its reasoning is encrypted (redacted_thinking); delete the part, or leave the row out"
        )
    raise ValueError(
        f"{place}: a part of type '{name or ', '.join(map(str, part))}' cannot be learnt from (known: text, image, "
        "reasoning, calls and results of tools)"
    )


def _get_thought(part: JsonObject) -> object:
    """The words of a part of reasoning: Anthropic's thinking, Bedrock's reasoningText, the summary of OpenAI."""
    text = part.get("reasoningText", part.get("thinking", part.get("reasoning")))
    if isinstance(text, dict):
        text = text.get("text")
    if text is None and isinstance(part.get("summary"), list):
        text = "\n\n".join(str(item.get("text", "")) for item in part["summary"] if isinstance(item, dict))
    return text


def _get_image(part: JsonObject, inner: JsonObject, place: str) -> object:
    """What names the image: a path, a data URL, or whatever ``images`` reads; None where a column holds it.

    Raises:
        ValueError: the file is no image.
    """
    source = inner.get("source")  # Anthropic, Bedrock
    if isinstance(source, dict):
        inner = {**source, "mimeType": source.get("media_type") or f"image/{inner.get('format', 'png')}"}
    kind = inner.get("mimeType", inner.get("mime_type"))
    if isinstance(kind, str) and not kind.startswith("image/"):
        raise ValueError(f"{place}: a file of type {kind} cannot be learnt from")
    data = inner.get("data", inner.get("bytes"))
    if isinstance(data, str) and kind:
        return f"data:{kind};base64,{data}"
    if part.get("image") is not None and not isinstance(source, dict):
        return part["image"]
    if data is not None:
        return data
    image = part["image_url"] if part.get("image_url") is not None else inner
    if isinstance(image, dict):
        names = ("url", "fileUri", "file_uri", "path", "value")
        return next((image[key] for key in names if image.get(key) is not None), None)
    return image


def read_result(part: JsonObject, place: str) -> Message:
    """What a tool returned, as a message of the role tool.

    Args:
        part: of Anthropic ({tool_use_id, content}), Bedrock ({toolUseId, content}), Gemini ({name, response}) or
            OpenAI's responses ({call_id, output}).
        place: for messages.

    Raises:
        ValueError: it returned something else than text.
    """
    value = next((part[key] for key in ("content", "response", "output") if part.get(key) is not None), "")
    if isinstance(value, list):
        texts = []
        for item in value:
            words = item if isinstance(item, str) else item.get("text") if isinstance(item, dict) else None
            if not isinstance(words, str) and isinstance(item, dict) and "json" in item:
                words = to_text(item["json"])
            if not isinstance(words, str):
                kind = item.get("type", ", ".join(item)) if isinstance(item, dict) else type(item).__name__
                raise ValueError(f"{place}: a tool returned a part of type '{kind}', which cannot be learnt from")
            texts.append(words)
        value = "\n".join(texts)
    message: Message = {"role": "tool", "content": to_text(value)}
    key = next((key for key in ("tool_use_id", "toolUseId", "call_id", "id") if isinstance(part.get(key), str)), None)
    if key:
        message["tool_call_id"] = part[key]
    if isinstance(part.get("name"), str):
        message["name"] = part["name"]
    if part.get("is_error") or part.get("status") == "error":
        message["is_error"] = True
    return message


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
