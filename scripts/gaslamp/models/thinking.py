"""Thoughts in front of an answer: how a chat template writes them, what is learnt of them, and the answer without them.

Templates write thoughts as <think> blocks, or in a channel of their own. Some open the block in the generation prompt,
some close an empty one there (a switch decides). None of this is listed by model: probes are rendered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gaslamp.core.decisions import Decision
from gaslamp.core.errors import GaslampError
from gaslamp.models.messages import MARK, THOUGHT, Message, split_thought

if TYPE_CHECKING:
    from gaslamp.models.template import Renderer

MODES = ("keep", "empty", "off")
"""What becomes of thoughts in the rows: learnt; an empty block, where the template writes one; none, and the
generation prompt is that of the template's switch for no thinking."""
SWITCH = "enable_thinking"
"""The variable by which templates of hybrid models turn thinking on and off (Qwen, GLM, Nemotron, SmolLM3)."""
OPENED = re.compile(r"<think>\s*$")
CLOSED = re.compile(r"<think>\s*</think>\s*$")
PROBED = "gaslamp-thought"
QUESTION: Message = {"role": "user", "content": "q"}


@dataclass(frozen=True)
class Borders:
    """How generated text is divided, as the template writes it.

    Attributes:
        thought_start: opens the thoughts; "" when the generation prompt does, or when there are none.
        thought_end: between thoughts and answer; "" for a template that writes no thoughts.
        answer_start: in front of an answer without thoughts.
    """

    thought_start: str = ""
    thought_end: str = ""
    answer_start: str = ""


def find_borders(renderer: Renderer) -> Borders:
    """The borders of a template, from an answer rendered with and without thoughts."""
    from jinja2 import TemplateError

    texts = []
    for content in (f"<think>\n{PROBED}\n</think>\n\n{MARK}", MARK):
        try:
            prompt = renderer.render([QUESTION], generate=True)
            texts.append(renderer.get_answer(prompt, [QUESTION, {"role": "assistant", "content": content}], None))
        except (GaslampError, TemplateError, TypeError, ValueError):
            texts.append("")
    start, found, rest = texts[0].partition(PROBED)
    end = rest.partition(MARK)[0] if found else ""
    return Borders(start if found else "", end, texts[1].partition(MARK)[0] if MARK in texts[1] else "")


def split_answer(text: str, borders: Borders) -> tuple[str, str]:
    """Thoughts and final answer of a generated text, as a server divides them.

    Args:
        text: decoded with its special tokens: some templates mark thoughts by them.
        borders: of the template.

    Thoughts that never end leave no answer: it was cut at the limit.
    """
    end = borders.thought_end.strip()
    for mark in dict.fromkeys((end, "</think>")):
        if mark and mark in text:
            thought, _, answer = text.rpartition(mark)
            for start in (borders.thought_start.strip(), "<think>"):
                thought = thought.strip().removeprefix(start)
            return thought.strip(), answer.lstrip()
    for start in (borders.thought_start.strip(), "<think>"):
        if start and text.lstrip().startswith(start):
            return text.lstrip().removeprefix(start).strip(), ""
    return "", text.removeprefix(borders.answer_start)


def drop_thoughts(messages: list[Message]) -> list[Message]:
    """``messages`` without the thoughts in front of answers; the same list when there are none."""
    if not any(message["role"] == "assistant" and split_thought(message.get("content"))[0] for message in messages):
        return messages
    return [
        {**message, "content": split_thought(message["content"])[1]}
        if message["role"] == "assistant" and isinstance(message.get("content"), str)
        else message
        for message in messages
    ]


def join_opened(prompt: str, whole: str, content: object, thought_end: str) -> str | None:
    """The answer behind a generation prompt that ends in a block of thoughts; ``None`` for another prompt.

    The template drops the block of finished turns, or writes an empty one of another form: neither is what the model
    continues. A block that the prompt closes is followed by the answer, if it has no thoughts.

    Args:
        prompt: the generation prompt.
        whole: the conversation with the answer, as the template renders it.
        content: of the answer, thoughts included.
        thought_end: what closes the block.
    """
    thought = split_thought(content)[0]
    opened = OPENED.search(prompt) or (None if thought else CLOSED.search(prompt))
    if not opened or not whole.startswith(stem := prompt[: opened.start()]):
        return None
    rest = whole[len(stem) :]
    found = THOUGHT.match(rest)
    answer = rest[found.end() :] if found else rest
    if CLOSED.search(prompt):
        return answer
    # a template that cuts thoughts off leaves the empty line behind them
    return f"{thought}{thought_end}{answer.lstrip() if thought else answer}"


def decide_thinking(wanted: str, rows: int, thoughts: int, renderer: Renderer) -> tuple[str, str, Decision | None]:
    """What becomes of thoughts: the mode, the chat template (its switch pinned if needed) and the choice to show.

    Args:
        wanted: train.thinking: auto or one of MODES.
        rows: training rows that were looked at.
        thoughts: those with thoughts in front of an answer.
        renderer: of the base model's own template.

    Raises:
        GaslampError: the template has no switch, and the wanted mode needs one.
    """
    template = renderer.chat_template
    prompt = renderer.render([QUESTION], generate=True)
    has_switch = SWITCH in template
    knows = bool(has_switch or renderer.style.thought or OPENED.search(prompt) or CLOSED.search(prompt))
    mode = wanted if wanted != "auto" else "keep" if thoughts else "empty"
    pinned: bool | None = None
    if mode == "off" and knows:
        pinned = False
    elif mode == "keep" and thoughts and CLOSED.search(prompt):
        pinned = True
    if pinned is not None:
        if not has_switch:
            what = "no way to turn thinking off" if mode == "off" else "a generation prompt that closes the thoughts"
            raise GaslampError(
                f"train.thinking is {mode}, and the chat template of this model has {what} (no {SWITCH})",
                "set train.thinking: empty in config.yaml: an empty block of thoughts is learnt, where the template "
                "writes one",
                "put a corrected chat_template.jinja into the model folder",
            )
        template = f"{{% set {SWITCH} = {str(pinned).lower()} %}}{template}"
    if not knows and not thoughts:
        return "keep", template, None
    return mode, template, Decision(name="thinking", value=mode, reason=_get_reason(wanted, mode, rows, thoughts))


def _get_reason(wanted: str, mode: str, rows: int, thoughts: int) -> str:
    share = f"{thoughts} of {rows} training rows hold thoughts" if thoughts else "no row holds thoughts"
    then = {
        "keep": "they are learnt before the answer" + (", the others an empty block" if thoughts < rows else ""),
        "empty": "answers stand behind an empty block of thoughts, where the template writes one",
        "off": "the prompt is the template's own for no thinking",
    }[mode]
    if mode != "keep" and thoughts:
        then = f"they are left out; {then}"
    return f"{share}; {then}" + ("" if wanted == "auto" else " (train.thinking)")
