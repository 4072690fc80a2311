"""A GGUF file, and the server that `make deploy` starts with it: metadata, prompts, answers and why they end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from gaslamp.config.levels import get_level
from gaslamp.core.contracts import ParityCheck, Template
from gaslamp.core.files import read_json
from gaslamp.data.rows import get_text
from gaslamp.export.llamacpp.client import Answer, LlamaClient
from gaslamp.export.llamacpp.gguf_facts import read_gguf_facts
from gaslamp.export.llamacpp.server import LlamaServer
from gaslamp.export.llamacpp.toolchain import Toolchain
from gaslamp.export.parity.checks import EXACT, find_text_difference, find_token_difference, make_check
from gaslamp.export.parity.merged import ANSWER_TOKENS, Reference
from gaslamp.export.parity.prompts import SPECIAL, Prompt
from gaslamp.models.template import Renderer

GGUF_TIE = 0.1
"""Largest gap (nats) of the adapter's log-probabilities at the first token that differs in the served f16 file."""
SLOTS = 4


def check_metadata(file: Path, template: Template, base: Path) -> list[ParityCheck]:
    """The metadata of a GGUF file against the template and the base model's config, so that a wrong merge shows too.

    Args:
        file: the GGUF file.
        template: as recorded.
        base: checkpoint folder of the base model.
    """
    facts, level = read_gguf_facts(file), get_level(file)
    config = read_json(base / "config.json")
    config = {**config, **(config.get("text_config") or {})}
    rope, found = (
        (config.get("rope_parameters") or {}).get("rope_theta", config.get("rope_theta")),
        facts["rope_freq_base"],
    )
    is_same_template = facts["chat_template"] == template.chat_template
    is_same_end = facts["eos_id"] in template.stop_ids
    is_same_rope = rope is None or found is None or abs(found - rope) <= 1e-3 * rope
    return [
        make_check(
            "chat template",
            level,
            None if is_same_template else "the chat template differs from data/template.json",
            "the chat template is the recorded one",
            "template",
        ),
        make_check(
            "end token",
            level,
            None if is_same_end else f"end token {facts['eos_id']}, trained with {template.stop_ids}",
            f"end token {facts['eos_id']}",
            "eos",
        ),
        make_check(
            "rotary base",
            level,
            None if is_same_rope else f"rotary base {found}, trained with {rope}",
            f"rotary base {found:g}" if found else "no rotary base",
            "rope",
        ),
    ]


def check_served(
    file: Path,
    toolchain: Toolchain,
    renderer: Renderer,
    template: Template,
    prompts: list[Prompt],
    references: dict[str, Reference],
    log: Path,
    mmproj: Path | None = None,
) -> list[ParityCheck]:
    """Start a server with a GGUF file and check prompts, answers and stop reasons.

    Args:
        file: the GGUF file.
        toolchain: contents of toolchain.json.
        renderer, template: as recorded by the data phase.
        prompts: all prompts of the gate.
        references: the adapter's own answers to some of them.
        log: receives what llama-server prints.
        mmproj: vision tower of a vision model.
    """
    context = max(1024, max(len(prompt.ids) for prompt in prompts) + 2 * ANSWER_TOKENS)
    level = get_level(file)
    with LlamaServer(toolchain, file, context=context, parallel=SLOTS, mmproj=mmproj, log=log) as server:
        checks = check_prompts(level, server, renderer, template, prompts)
        answered = [prompt for prompt in prompts if prompt.name in references]
        answers = server.generate_batch([prompt.served for prompt in answered], ANSWER_TOKENS, ids=True)
    return checks + check_endpoint(level, answered, answers, references, renderer)


def check_prompts(
    level: str, server: LlamaClient, renderer: Renderer, template: Template, prompts: list[Prompt]
) -> list[ParityCheck]:
    """Does the server make the trainer's text, token ids and BOS tokens of every prompt?

    Of a prompt with images, the text around the images is compared.
    """
    text_fault = token_fault = bos_fault = None
    read_as_special = 0
    with_images = sum(prompt.has_images for prompt in prompts)
    marker = server.get_media_marker() if with_images else ""
    for prompt in prompts:
        served = server.apply_template(prompt.served)
        parts = served.split(marker) if prompt.has_images else [served]
        text_fault = text_fault or _find_text_fault(prompt, parts, template)
        ids = server.tokenize(parts[0], add_special=True)
        pieces = [(ids, prompt.ids[: len(ids)] if prompt.has_images else prompt.ids)]
        if prompt.has_images and (last := server.tokenize(parts[-1])):
            pieces.append((last, prompt.ids[-len(last) :]))
        for found, own in pieces:
            token_fault = token_fault or find_token_difference(prompt.name, found, own)
        bos_fault = bos_fault or _find_bos_fault(prompt, ids, template)
        if prompt.name == SPECIAL:
            written = renderer.tokenize(get_text(prompt.messages[-1]))
            read_as_special = sum(token in renderer.tokenizer.all_special_ids for token in written)
    count = f"{len(prompts)} prompts"
    around = f"; of {with_images} with images, the text around these" if with_images else ""
    special = (
        f"; special tokens that a user writes become those tokens, in training and here ({read_as_special} of them)"
        if read_as_special
        else ""
    )
    return [
        make_check("prompt text", level, text_fault, f"{count} rendered to the same text{around}", "template"),
        make_check(
            "prompt tokens", level, token_fault, f"{count} became the same token ids{around}{special}", "tokens"
        ),
        make_check("BOS tokens", level, bos_fault, f"as many as in training on {count}", "bos"),
    ]


def _find_text_fault(prompt: Prompt, parts: list[str], template: Template) -> str | None:
    """How a served prompt (in parts around its images) differs from the trainer's text."""
    # a server that puts the BOS token in front of the ids leaves it out of the text; the ids must agree
    accepted = (prompt.text, prompt.text.removeprefix(template.bos_token or ""))
    if prompt.has_images:
        if any(is_joined(parts, text) for text in accepted):
            return None
        return find_text_difference(prompt.name, "<image>".join(parts), prompt.text)
    return None if parts[0] in accepted else find_text_difference(prompt.name, parts[0], prompt.text)


def _find_bos_fault(prompt: Prompt, ids: list[int], template: Template) -> str | None:
    if template.bos_id is None:
        return None
    found, wanted = _count_leading(ids, template.bos_id), _count_leading(prompt.ids, template.bos_id)
    return None if found == wanted else f"{prompt.name}: {found} BOS tokens instead of {wanted}"


def is_joined(parts: Sequence[str], text: str) -> bool:
    """Whether ``text`` is these parts with one and the same text between each two: what marks an image."""
    gaps = len(parts) - 1
    left = len(text) - sum(map(len, parts))
    if gaps < 1 or left < gaps or left % gaps:
        return False
    start = len(parts[0])
    return text[start : start + left // gaps].join(parts) == text


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
    same, cause = 0, "endpoint"
    ends = renderer.tokenizer.convert_tokens_to_ids(renderer.stop_tokens)
    for prompt, answer in zip(prompts, answers, strict=True):
        wanted = references[prompt.name]
        if answer["prompt_tokens"] != len(prompt.ids) and prompt_fault is None:
            prompt_fault = (
                f"{prompt.name}: the endpoint reads {answer['prompt_tokens']} tokens, training {len(prompt.ids)}"
            )
            cause = "image" if prompt.has_images else "endpoint"
        own = renderer.tokenizer.decode(wanted.ids, skip_special_tokens=True)
        stopped = answer["finish_reason"] == "stop"
        written = [token for token in answer["ids"] if token not in ends]
        is_same = _is_same_answer(own, wanted.stopped, answer["text"], stopped)
        if is_same and is_part(written, wanted.ids):
            same += 1
            if stopped != wanted.stopped:
                how = {True: "ends by itself", False: "runs to the limit"}
                stop_fault = stop_fault or f"{prompt.name}: {how[stopped]}, the adapter {how[wanted.stopped]}"
            continue
        position, gap = _get_gap(wanted, written if is_same else renderer.tokenize(answer["text"]))
        if gap > GGUF_TIE and answer_fault is None:
            answer_fault = (
                f"{prompt.name}, token {position + 1}: {answer['text'][:60]!r} instead of {own[:60]!r}, "
                f"which the adapter finds {gap:.2f} nats more likely"
            )
    exact = level in EXACT
    images = sum(prompt.has_images for prompt in prompts)
    with_images = f", those of images included ({images} of them have some)" if images else ""
    tokens = f"/v1/chat/completions reads as many tokens as training on {len(prompts)} prompts{with_images}"
    agree = f"{same} of {len(prompts)} greedy answers are the adapter's"
    agree += f", the others within {GGUF_TIE} nats" if exact and same < len(prompts) else ""
    stop_detail = f"as the adapter's on {same} answers"
    return [
        make_check("endpoint prompt", level, prompt_fault, tokens, cause),
        make_check("endpoint answers", level, answer_fault if exact else None, agree, "answers"),
        make_check("stop reason", level, stop_fault if exact else None, stop_detail, "stop"),
    ]


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


def _count_leading(ids: list[int], token: int) -> int:
    return next((i for i, value in enumerate(ids) if value != token), len(ids))
