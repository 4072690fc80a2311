"""Images and conversations about them.

An image column (path, base64, bytes of `datasets`), and turns, a question or a caption.

Turns may hold image parts themselves, or ``<image>`` where the next picture of the column stands.
"""

from __future__ import annotations

import re
from typing import Any

from gaslamp.data.cells import IMAGE_MARK, find_column, first_value, get_optional, get_text, parse_list
from gaslamp.data.prompts import put_system, read_prompt
from gaslamp.data.rows import Message, Row, SourceRow
from gaslamp.data.turns import is_turns, read_turns

KIND = "conversation"
ORDER = 15
EXAMPLE = '{"image": "pictures/cat.png", "question": "What is it?", "answer": "A cat."}'
REQUIRED = ("images",)
OPTIONAL = ("messages", "rounds", "question", "answer", "system", "input")
READ_ANYWAY = ()
IMAGES = (
    "images",
    "image",
    "image_path",
    "image_paths",
    "img",
    "picture",
    "photo",
    "jpg",
    "png",
    "image_bytes",
    "file_name",
)
TURNS = ("messages", "conversations", "conversation", "texts")
QUESTIONS = ("question", "prompt", "query", "instruction", "problem", "input", "user")
ANSWERS = (
    "answer",
    "completion",
    "response",
    "output",
    "caption",
    "text",
    "label",
    "description",
    "solution",
    "assistant",
    "answers",
)
DESCRIBE = "Describe the image."


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """An image column with something to learn about it, or turns that hold image parts."""
    images = find_column(columns, IMAGES)
    images = images if images and is_image_value(first_value(rows, images)) else None
    turns_column = find_column(columns, TURNS)
    turns = parse_list(first_value(rows, turns_column)) if turns_column else None
    if (
        isinstance(turns, list)
        and turns
        and isinstance(turns[0], dict)
        and "user" in turns[0]
        and images
        and turns_column
    ):
        return {"images": images, "rounds": turns_column}
    if turns_column and is_turns(turns) and isinstance(turns, list):
        parts = any(
            isinstance(turn.get("content"), list) and any(_is_image_part(part) for part in turn["content"])
            for turn in turns
            if isinstance(turn, dict)
        )
        if images or parts:
            mapping = {"messages": turns_column} | ({"images": images} if images else {})
            if system := find_column(columns, ("system", "system_prompt")):
                mapping["system"] = system
            return mapping
        return None
    answer = find_column([column for column in columns if column != images], ANSWERS)
    if not images or not answer:
        return None
    question = find_column([column for column in columns if column not in (images, answer)], QUESTIONS)
    mapping = {"images": images, "answer": answer} | ({"question": question} if question else {})
    if (
        question
        and question.lower() == "instruction"
        and (extra := find_column(columns, ("input",)))
        and extra != answer
    ):
        mapping["input"] = extra
    if system := find_column(columns, ("system", "system_prompt")):
        mapping["system"] = system
    return mapping


def _is_image_part(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in ("image", "image_url", "input_image")


def is_image_value(value: object) -> bool:
    """Whether a cell can be an image: bytes, a struct of `datasets`, a PIL image, base64, or a path.

    Or a list of these.
    """
    value = parse_list(value)
    if isinstance(value, list):
        return bool(value) and is_image_value(value[0])
    if isinstance(value, dict):
        return "bytes" in value or "path" in value
    if isinstance(value, str):
        return (
            bool(re.search(r"\.(png|jpe?g|webp|gif|bmp|tiff?)$", value, re.IGNORECASE))
            or value.startswith("data:image/")
            or _is_base64(value)
        )
    return isinstance(value, bytes | bytearray) or hasattr(value, "tobytes")


def _is_base64(value: str) -> bool:
    return (
        len(value) > 60
        and re.fullmatch(r"[A-Za-z0-9+/\s]+={0,2}\s*", value) is not None
        and value[:4] in ("iVBO", "/9j/", "R0lG", "UklG", "Qk0A")
    )


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """Turns with image parts; images stay as the file has them, the pipeline stores them as files."""
    images = _get_images(row, mapping["images"]) if "images" in mapping else []
    system = get_optional(row, mapping["system"]) if "system" in mapping else None
    if "rounds" in mapping:
        messages: list[Message] = []
        for number, turn in enumerate(parse_list(row.get(mapping["rounds"])) or [], 1):
            if (
                not isinstance(turn, dict)
                or not isinstance(turn.get("user"), str)
                or not isinstance(turn.get("assistant"), str)
            ):
                raise ValueError(f"column '{mapping['rounds']}', turn {number} is no pair of user and assistant")
            messages += [{"role": "user", "content": turn["user"]}, {"role": "assistant", "content": turn["assistant"]}]
        if not messages:
            raise ValueError(f"column '{mapping['rounds']}' holds no list of turns")
    elif "messages" in mapping:
        messages = put_system(read_turns(row.get(mapping["messages"]), mapping["messages"]), system)
    else:
        answer = parse_list(row.get(mapping["answer"]))
        if isinstance(answer, list) and answer and isinstance(answer[0], str):
            answer = answer[0]  # several people's answers to one image
        turns = (
            read_prompt(row, mapping["question"], system)
            if "question" in mapping
            else read_prompt({"q": DESCRIBE}, "q", system)
        )
        extra = get_optional(row, mapping["input"]) if "input" in mapping else None
        if extra:
            turns[-1] = {**turns[-1], "content": f"{turns[-1]['content']}\n\n{extra}"}
        messages = [*turns, {"role": "assistant", "content": get_text({mapping["answer"]: answer}, mapping["answer"])}]
    if marked := next((number for number, message in enumerate(messages, 1) if "train" in message), None):
        raise ValueError(
            f"turn {marked} is marked (weight or train): vision_sft learns the last answer of a row whatever "
            "the marks say; remove them"
        )
    return {"messages": place_images(messages, images, mapping.get("images", mapping.get("messages", "")))}


def _get_images(row: SourceRow, column: str) -> list[Any]:
    value = row.get(column)
    value = parse_list(value) if isinstance(value, str) else value
    values = value if isinstance(value, list) else [value]
    if any(item is None or item == "" for item in values):
        raise ValueError(f"column '{column}' is empty or missing")
    return values


def place_images(messages: list[Message], images: list[Any], column: str) -> list[Message]:
    """Put each image where its mark or its empty part stands; without any in front of the first user turn."""
    waiting = list(images)
    result = []
    for message in messages:
        content = message["content"]
        if isinstance(content, str) and waiting and IMAGE_MARK in content:
            content = _split_marks(content, waiting)
        elif isinstance(content, list):
            content = [
                {**part, "image": waiting.pop(0)}
                if part["type"] == "image" and part["image"] is None and waiting
                else part
                for part in content
            ]
            if any(part["type"] == "image" and part["image"] is None for part in content):
                raise ValueError(f"column '{column}' holds fewer images than the turns name")
        result.append({**message, "content": content})
    if waiting and len(waiting) < len(images):
        raise ValueError(
            f"column '{column}' holds {len(images)} images, but the turns name {len(images) - len(waiting)}"
        )
    if waiting:
        first = next((number for number, message in enumerate(result) if message["role"] == "user"), None)
        if first is None:
            raise ValueError("there is no user turn that the image could stand in")
        content = result[first]["content"]
        rest = content if isinstance(content, list) else [{"type": "text", "text": content}]
        result[first] = {**result[first], "content": [*({"type": "image", "image": image} for image in waiting), *rest]}
    return result


def _split_marks(text: str, waiting: list[Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    pieces = text.split(IMAGE_MARK)
    for number, piece in enumerate(pieces):
        if number and waiting:
            parts.append({"type": "image", "image": waiting.pop(0)})
        elif number:
            piece = IMAGE_MARK + piece
        if piece:
            parts.append({"type": "text", "text": piece})
    return parts
