"""What gaslamp makes of each kind of data under a chat template, compared with the template's own text.

The other side of the comparison is ``apply_chat_template`` of the tokenizer with messages in the forms that templates
are documented to take: thoughts under their keys, arguments of calls as objects or as JSON text, content as text or
parts. A cell is ``right``, ``rows`` (right, one row for each answer), or ``refused`` with the reason; all else raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any
from unittest import mock

import real_packages
import real_tokenizers
import tiny
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_json
from gaslamp.data.checks.lost_in_template import NAMES, find_lost
from gaslamp.models.encoding import Encoded, depends_on_start
from gaslamp.models.loading import load_tokenizer
from gaslamp.models.template import Renderer, build_template
from jinja2 import TemplateError

Message = dict[str, Any]

SCHEMA = {"type": "object", "properties": {"item": {"type": "string", "description": "what"}}, "required": ["item"]}
TOOLS = [{"type": "function", "function": {"name": "get_price", "description": "Price of it", "parameters": SCHEMA}}]


def _call(number: int, item: str) -> Message:
    inner = {"name": "get_price", "arguments": {"item": item}}
    calls = [{"id": f"call0000{number}", "type": "function", "function": inner}]
    return {"role": "assistant", "content": "", "tool_calls": calls}


def _think(thought: str, answer: str) -> Message:
    return {"role": "assistant", "content": f"<think>\n{thought}\n</think>\n\n{answer}"}


def _say(role: str, content: str) -> Message:
    return {"role": role, "content": content}


KINDS: dict[str, list[Message]] = {
    "single": [_say("user", "2 teas, please"), _say("assistant", "Done: 2 teas.")],
    "multi": [
        _say("user", "one"),
        _say("assistant", "The first answer."),
        _say("user", "two"),
        _say("assistant", "The second answer."),
    ],
    "system": [_say("system", "Be brief."), _say("user", "2 teas"), _say("assistant", "Done.")],
    "tools": [
        _say("user", "What is a tea?"),
        _call(1, "tea"),
        {"role": "tool", "name": "get_price", "tool_call_id": "call00001", "content": "3 euros"},
        _say("assistant", "It is 3 euros."),
    ],
    "thoughts": [
        _say("user", "one"),
        _think("ponder this", "The first answer."),
        _say("user", "two"),
        _think("muse on that", "The second answer."),
    ],
}
PUBLISHED = (  # templates of trl without a tokenizer of their own here: on bytes, their special tokens whole
    *("cohere2", "gemma4", "glm4moe", "idefics3", "lfm2", "lfm2_2_5", "muse_glimmer"),
    *("nemotron_3_5_lightning", "nemotron_3_nano", "nemotron_3_super", "nemotron_3_ultra"),
    *("qwen2_5_vl", "qwen3_5_nothink", "qwen3_5_think", "qwen3_6", "qwen3_8", "qwen3_vl"),
)
ENDS = {"glm4moe": ("<|endoftext|>", "<|user|>", "<|observation|>"), "gemma4": ("<turn|>", "<|tool_response>")}
"""What the published generation_config.json names as ends, where the template shows less."""
SPECIALS = (*tiny.SPECIALS, "<bos>", "</s>")
SPECIAL = re.compile(
    r"<[|｜][^<>\s{}'\"]{1,40}[|｜]?>|<[^<>\s{}'\"]{1,40}[|｜]>|<(?:bos|eos|pad|/s|s|sop)>|\[gMASK\]|"
    r"<[A-Za-z]{1,20}_of_[a-z]{1,20}>|<[A-Z_|]{3,40}>"
)


@dataclass(frozen=True)
class Cell:
    """``mark`` is right, rows or refused; ``note`` says why it is refused."""

    mark: str
    note: str = ""


@dataclass(frozen=True)
class Subject:
    """A model folder and its tokenizer, which is loaded once."""

    path: Path
    tokenizer: Any

    def get_renderer(self, kind: str, thinking: str = "auto") -> Renderer:
        """The renderer of a project with data of this kind, as the data phase records it."""
        with mock.patch("gaslamp.models.template.load_tokenizer", lambda path: self.tokenizer):
            return Renderer.load(self.path, build_template(self.path, KINDS[kind], thinking))


def load(name: str, folder: Path) -> Subject:
    """A family of real_tokenizers, or a template of PUBLISHED (written into ``folder``)."""
    if name in real_tokenizers.FAMILIES:
        return _load_family(name)
    text = real_packages.get_trl_template(name)
    ends = ENDS.get(name, ())
    found = [token for token in dict.fromkeys([*SPECIAL.findall(text), *ends]) if token not in SPECIALS]
    path = tiny.write_checkpoint(folder / name, text, (*SPECIALS[3:], *found), bos="<bos>", eos="</s>")
    ids = {token: number for number, token in enumerate([*SPECIALS, *found])}
    write_json(path / "generation_config.json", {"eos_token_id": [ids[token] for token in ends or ("</s>",)]})
    return Subject(path, load_tokenizer(path))


@lru_cache(maxsize=3)
def _load_family(name: str) -> Subject:
    path = real_tokenizers.folder(name)
    return Subject(path, load_tokenizer(path))


def check(subject: Subject, kind: str, thinking: str = "auto") -> Cell:
    """One cell of the matrix.

    Args:
        subject: model folder.
        kind: of KINDS.
        thinking: train.thinking.

    Raises:
        AssertionError: what would be learnt is not what the template shows where the model answers.
    """
    messages, tools = KINDS[kind], TOOLS if kind == "tools" else None
    try:
        renderer = subject.get_renderer(kind, thinking)
        sequences = renderer.split_all(messages, tools)
    except GaslampError as error:
        return Cell("refused", error.cause)
    except TemplateError as error:
        return Cell("refused", str(error))
    lost = find_lost({"messages": messages, "tools": tools}, sequences)
    if renderer.thinking != "keep":
        assert lost <= {"thoughts"} or "thoughts" not in lost
        lost.discard("thoughts")
        messages = [{**turn, "content": turn["content"].rpartition("</think>")[2].strip()} for turn in messages]
    if lost:
        return Cell("refused", "shows no " + " and no ".join(name for name in NAMES if name in lost))
    answers = [number for number, turn in enumerate(messages) if turn["role"] == "assistant"]
    for pieces, encoded in zip(sequences, renderer.encode_pieces(sequences), strict=True):
        text = ""
        for part, learnt in pieces:
            if learnt:
                _check_answer(renderer, messages, answers.pop(0), tools, text, part)
            text += part
        _check_ids(renderer, pieces, encoded)
    assert not answers, "every answer is learnt once"
    return Cell("rows" if len(sequences) > 1 else "right")


def _check_answer(
    renderer: Renderer, messages: list[Message], index: int, tools: Any, prompt: str, answer: str
) -> None:
    """An answer stands behind the very prompt that a server makes, as the template shows it, with its end."""
    prompts = set(_render_natively(renderer, messages[:index], tools, True))
    assert prompt in prompts, f"turn {index + 1} is learnt behind {prompt[-80:]!r}"
    assert any(answer.endswith(stop) for stop in renderer.stop_tokens), answer
    turn = messages[index]
    thought = re.search(r"<think>\n(.*?)\n</think>", turn["content"])
    content = turn["content"].rpartition("</think>")[2].strip()
    assert answer.count(content) == 1 or not content, answer
    if thought:
        assert answer.count(thought[1]) == 1, f"a thought is learnt once: {answer!r}"
        assert len(re.findall("<think>", prompt[-20:] + answer)) <= 1, "no second block of thoughts"
    for call in turn.get("tool_calls", ()):
        assert call["function"]["name"] in answer and call["function"]["arguments"]["item"] in answer, answer
    for other in messages[:index]:
        if other["role"] in ("user", "tool"):
            assert other["content"] not in answer or other["content"] in content, "only what the model says is learnt"
    if not any(
        whole.startswith(prompt + answer) for whole in _render_natively(renderer, messages[: index + 1], tools, False)
    ):
        # the template contradicts its own generation prompt; then the answer follows that prompt
        assert re.search(r"<think>\s*$", prompt) and answer.count("</think>") == 1 or _is_end_of_next(renderer, answer)


def _is_end_of_next(renderer: Renderer, answer: str) -> bool:
    """Whether the answer ends with the token that opens the next turn, which the template shows only there."""
    return any(answer.endswith(stop) for stop in renderer.stop_tokens[1:] + renderer.stop_tokens[:1])


def _check_ids(renderer: Renderer, pieces: list[tuple[str, bool]], encoded: Encoded) -> None:
    """Ids are those of the whole text, the prompt's those of a server, and exactly the learnt pieces carry loss."""
    runs: list[list[int]] = []
    for token, trained, before in zip(encoded.ids, encoded.trained, [False, *encoded.trained], strict=False):
        if trained:
            runs[-1:] = [[*runs[-1], token]] if before else [*runs[-1:], [token]]
    learnt = [part for part, carries in pieces if carries]
    assert [renderer.tokenizer.decode(run).strip() for run in runs] == [part.strip() for part in learnt]
    whole, prompt = renderer.tokenize("".join(part for part, _ in pieces)), renderer.tokenize(pieces[0][0])
    assert encoded.ids[: len(prompt)] == prompt, "the prompt has the ids that a server makes"
    # where a token of the whole text spans the border, the model never generates it: the prompt ends before it
    if whole[: len(prompt)] == prompt:
        assert encoded.ids == whole, "ids of the whole text, not of its pieces"
    else:
        expected = list(prompt)
        for (before, carries), (part, _) in pairwise(pieces):
            # a tokenizer that puts a space in front of a text puts none behind a line end
            start = "" if not depends_on_start(renderer.tokenizer) else renderer.stop_tokens[0] if carries else "\n"
            assert not carries or before.endswith(renderer.stop_tokens[0])
            expected += renderer.tokenize(start + part)[len(renderer.tokenize(start)) :]
        assert encoded.ids == expected


def _render_natively(renderer: Renderer, messages: list[Message], tools: Any, generate: bool) -> Iterator[str]:
    """The template's own text of a conversation, for each form of messages that it takes."""
    for as_text, empty, parts, move in product((False, True), ("", None), (False, True), (True, False)):
        try:
            yield renderer.tokenizer.apply_chat_template(
                [_shape(message, as_text, empty, parts, move) for message in messages],
                chat_template=renderer.chat_template,
                tools=tools,
                tokenize=False,
                add_generation_prompt=generate,
            )
        except (TemplateError, TypeError, ValueError, AttributeError, KeyError):
            continue


def _shape(message: Message, as_text: bool, empty: str | None, parts: bool, move: bool) -> Message:
    made = dict(message)
    content = made["content"]
    if move and (found := re.match(r"<think>\n(.*?)\n</think>\n\n", content)):
        content = content[found.end() :]
        made |= dict.fromkeys(("reasoning_content", "thinking", "reasoning"), found[1])
    if calls := made.get("tool_calls"):
        content = content or empty
        if as_text:
            made["tool_calls"] = [
                {**call, "function": {**call["function"], "arguments": json.dumps(call["function"]["arguments"])}}
                for call in calls
            ]
    made["content"] = [{"type": "text", "text": content}] if parts else content
    return made
