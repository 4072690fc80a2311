"""The answers of the chat endpoint against the adapter's own: tokens, ends, what the server takes out of the text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gaslamp.core.contracts import ParityCheck
from gaslamp.export.llamacpp.client import Answer
from gaslamp.export.parity.checks import EXACT, Ended, make_check, name_difference
from gaslamp.export.parity.merged import Reference
from gaslamp.export.parity.prompts import Prompt
from gaslamp.models.template import Renderer

GGUF_TIE = 0.1
"""Largest gap (nats) of the adapter's log-probabilities at the first token that differs in the served f16 file."""


def check_endpoint(
    level: str, prompts: list[Prompt], answers: list[Answer], references: dict[str, Reference], renderer: Renderer
) -> list[ParityCheck]:
    """The answers of /v1/chat/completions against the adapter's own greedy answers.

    The number of prompt tokens must be the trainer's on every level, image tokens included. For f16, answers and stop
    reasons must be the same, except for ties: at the first token that differs, the adapter's own choice may be at most
    GGUF_TIE nats more likely. A quantized level may word an answer differently (its score decides, see levels.py): how
    many answers agree is reported.
    """
    prompt_fault = answer_fault = stop_fault = None
    same, cause, kind = 0, "endpoint", "answers"
    ends = renderer.tokenizer.convert_tokens_to_ids(renderer.stop_tokens)
    for prompt, answer in zip(prompts, answers, strict=True):
        wanted = references[prompt.name]
        if answer["prompt_tokens"] != len(prompt.ids) and prompt_fault is None:
            prompt_fault = (
                f"{prompt.name}: the endpoint reads {answer['prompt_tokens']} tokens, training {len(prompt.ids)}"
            )
            cause = "image" if prompt.has_images else "endpoint"
        own = renderer.tokenizer.decode(wanted.ids, skip_special_tokens=True)
        stopped = answer["finish_reason"] in ("stop", "tool_calls")
        written, is_same = _compare(answer, wanted, own, stopped, ends, renderer)
        if is_same:
            same += 1
            if stopped != wanted.stopped:
                how = {True: "ends by itself", False: "runs to the limit"}
                stop_fault = stop_fault or f"{prompt.name}: {how[stopped]}, the adapter {how[wanted.stopped]}"
            continue
        position, gap = _get_gap(wanted, written)
        if gap > GGUF_TIE and answer_fault is None:
            answer_fault = (
                f"{prompt.name}, token {position + 1}: {renderer.tokenizer.decode(written)[:60]!r} instead of "
                f"{own[:60]!r}, which the adapter finds {gap:.2f} nats more likely"
            )
            served = Ended(renderer.tokenizer.decode(written, skip_special_tokens=True), stopped, len(written))
            kind = name_difference(served, Ended(own, wanted.stopped, len(wanted.ids)))
    exact = level in EXACT
    images = sum(prompt.has_images for prompt in prompts)
    with_images = f", those of images included ({images} of them have some)" if images else ""
    tokens = f"/v1/chat/completions reads as many tokens as training on {len(prompts)} prompts{with_images}"
    agree = f"{same} of {len(prompts)} greedy answers are the adapter's"
    agree += f", the others within {GGUF_TIE} nats" if exact and same < len(prompts) else ""
    stop_detail = f"as the adapter's on {same} answers"
    return [
        make_check("endpoint prompt", level, prompt_fault, tokens, cause),
        make_check("endpoint answers", level, answer_fault if exact else None, agree + describe_cut(answers), kind),
        make_check("stop reason", level, stop_fault if exact else None, stop_detail, "stop"),
    ]


def _compare(
    answer: Answer, wanted: Reference, own: str, stopped: bool, ends: list[int], renderer: Renderer
) -> tuple[list[int], bool]:
    """The tokens of a served answer without its end, and whether it is the adapter's own.

    The tokens decide where the server gave all of them. What it took out of the text (thoughts, calls) is a part of
    them, so that only the text of an answer from which nothing was taken is compared.
    """
    is_text_same = _is_same_answer(own, wanted.stopped, answer["text"], stopped)
    if "raw" not in answer:
        written = [token for token in answer["ids"] if token not in ends]
        is_same = is_text_same and is_part(written, wanted.ids)
        return written if is_text_same else renderer.tokenize(answer["text"]), is_same
    written = [token for token in answer["raw"] if token not in ends]
    # an empty block of thoughts is taken out without a trace: what is left is the end of the answer
    is_left = is_text_same or own.strip().endswith(drop_cut_character(answer["text"], stopped))
    is_altered = not is_left and not answer.get("calls") and answer["completion_tokens"] == len(answer["raw"])
    return written, written == wanted.ids and not is_altered


def describe_cut(answers: Sequence[Answer]) -> str:
    """What the chat endpoint took out of the text of these answers, for the detail of a check."""
    thoughts = [answer["thoughts"] for answer in answers if answer.get("thoughts")]
    calls = sum(answer.get("calls", 0) for answer in answers)
    parts = [
        f"thoughts of {len(thoughts)} answers into reasoning_content ({sum(map(len, thoughts))} characters)"
        if thoughts
        else "",
        f"{calls} calls into tool_calls" if calls else "",
    ]
    text = " and ".join(filter(None, parts))
    moved = f"; the server moved {text}: they were compared as tokens" if text else ""
    unread = sum("unread" in answer for answer in answers)
    if not unread:
        return moved
    return f"{moved}; {unread} do not keep to the model's format, which the server answers with an error: as tokens too"


def _get_gap(wanted: Reference, ids: list[int]) -> tuple[int, float]:
    """Position of the first difference to a reference, and how much less likely the adapter finds it (nats)."""
    if found := wanted.get_gap(ids):
        return found
    position, gap = min(len(wanted.ids), len(ids)), 0.0
    if position < len(wanted.ranked):
        # one of the two goes on where the other ends
        ranked = wanted.ranked[position]
        gap = min((value for token, value in ranked.items() if token != next(iter(ranked))), default=0.0)
    return position, gap


def _is_same_answer(own: str, own_stopped: bool, served: str, stopped: bool) -> bool:
    """Whether two programs printed the same answer. A cut last character is dropped, unless nothing else is there."""
    cut = drop_cut_character(own, own_stopped), drop_cut_character(served, stopped)
    return is_same_text(*cut) or is_same_text(own, served)


def drop_cut_character(text: str, stopped: bool) -> str:
    """An answer without white space around it, and without the character that the length limit cut.

    A server sends nothing of a character whose tokens are not complete.
    """
    return (text if stopped else text.rstrip("\ufffd")).strip()


def is_same_text(ours: str, served: str) -> bool:
    """Whether two programs printed the same tokens, when some bytes are not valid UTF-8.

    The tokenizer prints every byte of such a run as a replacement character, also those that would be letters by
    themselves; llama.cpp prints only the invalid ones so.
    """
    if ours == served or "\ufffd" not in ours:
        return ours == served
    pattern = "".join(
        f"[\\s\\S]{{1,{len(part)}}}" if part[0] == "\ufffd" else re.escape(part)
        for part in re.findall("\ufffd+|[^\ufffd]+", ours)
    )
    return re.fullmatch(pattern, served) is not None


def is_part(found: list[int], wanted: list[int]) -> bool:
    """Whether ``wanted`` has the tokens ``found`` in order: llama-server omits those that end inside a character."""
    rest = iter(wanted)
    return all(token in rest for token in found)
