"""Messages in the form that a chat template reads: content as text or parts, reasoning under the key that it knows.

Arguments of tool calls as text or as an object.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from gaslamp.models.arguments import find_forms, shows_calls

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Message = dict[str, Any]

MARK = "gaslamp-answer"
THINKING = re.compile(r"""\.thinking\b|\[\s*["']thinking["']\s*\]|["']thinking["']\s+in\b""")
RESULT_TAG = re.compile(r"<tool_response>(?:\\n|\n)")
RESULT = re.compile(r"\s*<tool_response>\n?(.*?)\n?</tool_response>\s*", re.DOTALL)
THOUGHT = re.compile(r"\s*<think>\n?(.*?)\n?</think>\s*", re.DOTALL)


@dataclass(frozen=True)
class Style:
    """What a chat template reads.

    Attributes:
        parts: content must be a list of parts, as templates of vision models want it.
        thought: the key of a turn's reasoning; None when the template knows none, and reasoning is part of the text.
        results: the template puts <tool_response> around what a tool returned.
        text_arguments: the arguments of a call may be JSON text, which is shown as it is.
        object_arguments: they may be an object.
        null_content: a turn of calls alone must have the content None, not "".
    """

    parts: bool = False
    thought: str | None = None
    results: bool = False
    text_arguments: bool = False
    object_arguments: bool = True
    null_content: bool = False


def render_probe(
    tokenizer: PreTrainedTokenizerFast, chat_template: str, messages: list[Message], **more: object
) -> str | None:
    """Messages as a template renders them; ``None`` when it refuses them."""
    from jinja2 import TemplateError

    try:
        text: str = tokenizer.apply_chat_template(messages, chat_template=chat_template, tokenize=False, **more)
    except (TemplateError, TypeError, ValueError, AttributeError, KeyError, IndexError):
        return None
    return text


def find_style(tokenizer: PreTrainedTokenizerFast, chat_template: str) -> Style:
    """The style of a template, from its source and from a conversation rendered with it."""
    thought = "reasoning_content" if "reasoning_content" in chat_template else None
    if thought is None and THINKING.search(chat_template):
        thought = "thinking"
    parts = not _shows(tokenizer, chat_template, False) and _shows(tokenizer, chat_template, True)
    results = RESULT_TAG.search(chat_template) is not None
    if "arguments" not in chat_template:
        return Style(parts, thought, results)

    def render(messages: list[Message], tools: list[dict[str, Any]], null: bool = False) -> str | None:
        shaped = shape_messages(messages, Style(parts, null_content=null))
        return render_probe(tokenizer, chat_template, shaped, tools=tools)

    # the two templates of DeepSeek show calls only where there is no content
    null = not shows_calls(render) and shows_calls(partial(render, null=True))
    return Style(parts, thought, results, *find_forms(partial(render, null=null)), null)


def _shows(tokenizer: PreTrainedTokenizerFast, chat_template: str, parts: bool) -> bool:
    """Whether the text of an answer comes through, handed over as text or as a list of parts."""
    messages: list[Message] = [{"role": "user", "content": "q"}, {"role": "assistant", "content": MARK}]
    return MARK in (render_probe(tokenizer, chat_template, shape_messages(messages, Style(parts))) or "")


def shape_messages(messages: list[Message], style: Style) -> list[Message]:
    """``messages`` as the template reads them, but for arguments of calls; the same list when nothing changes."""
    if style.thought is not None and any(_holds_thought(message) for message in messages):
        messages = [_move_thought(message, style.thought) for message in messages]
    if style.results and any(message["role"] == "tool" for message in messages):  # as Hermes' sets hold them already
        messages = [_unwrap_result(message) if message["role"] == "tool" else message for message in messages]
    if style.null_content and any(message.get("tool_calls") for message in messages):
        messages = [
            {**message, "content": None} if message.get("tool_calls") and not message.get("content") else message
            for message in messages
        ]
    if style.parts:
        messages = [
            {**message, "content": [{"type": "text", "text": message["content"]}]}
            if isinstance(message.get("content"), str)
            else message
            for message in messages
        ]
    return messages


def _unwrap_result(message: Message) -> Message:
    """A tool's turn without the tags that the template puts around it: they would stand there twice."""
    content = message.get("content")
    found = RESULT.fullmatch(content) if isinstance(content, str) and "<tool_response>" in content else None
    return {**message, "content": found[1]} if found and "<tool_response>" not in found[1] else message


def split_thought(content: object) -> tuple[str, str]:
    """The reasoning in front of an answer (``<think> ... </think>``) and the answer; no reasoning is ""."""
    if not isinstance(content, str):
        return "", ""
    found = THOUGHT.match(content)
    return (found[1], content[found.end() :]) if found else ("", content)


def drop_blocks(text: str) -> str:
    """A reply without its <think> blocks, wherever they stand."""
    return re.sub(r"<think>.*?</think>", "", text, flags=re.DOTALL)


def _holds_thought(message: Message) -> bool:
    content = message.get("content")
    return message["role"] == "assistant" and type(content) is str and content.lstrip().startswith("<think>")


def _move_thought(message: Message, key: str) -> Message:
    if not _holds_thought(message):
        return message
    thought, answer = split_thought(message["content"])
    return {**message, "content": answer, key: thought} if thought.strip() else message
