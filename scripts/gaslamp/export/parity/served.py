"""A GGUF file, and the server that `make deploy` starts with it: metadata and prompts (its answers: endpoint.py)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gaslamp.config.levels import get_level
from gaslamp.core.contracts import ParityCheck, Template
from gaslamp.core.files import read_json
from gaslamp.data.rows import get_text
from gaslamp.export.llamacpp.client import LlamaClient
from gaslamp.export.llamacpp.gguf_facts import read_gguf_facts
from gaslamp.export.llamacpp.server import LlamaServer
from gaslamp.export.llamacpp.toolchain import Toolchain
from gaslamp.export.parity.checks import find_text_difference, find_token_difference, make_check
from gaslamp.export.parity.endpoint import check_endpoint
from gaslamp.export.parity.merged import ANSWER_TOKENS, Reference
from gaslamp.export.parity.prompts import SPECIAL, Prompt
from gaslamp.models.template import Renderer

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
    forces_end: bool = False,
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
        forces_end: check the text of an answer that ends at once too, for weights that never learnt to end.
    """
    context = max(1024, max(len(prompt.ids) for prompt in prompts) + 2 * ANSWER_TOKENS)
    level = get_level(file)
    with LlamaServer(toolchain, file, context=context, parallel=SLOTS, mmproj=mmproj, log=log) as server:
        checks = check_prompts(level, server, renderer, template, prompts)
        answered = [prompt for prompt in prompts if prompt.name in references]
        answers = server.generate_batch(
            [prompt.served for prompt in answered], ANSWER_TOKENS, tools=[prompt.tools for prompt in answered], ids=True
        )
        for prompt, answer in zip(answered, answers, strict=True):
            if not prompt.has_images:
                answer["raw"] = server.generate(prompt.served, ANSWER_TOKENS, prompt.tools)
        if forces_end:
            checks.append(_check_end_text(level, server, template, answered[0]))
    return checks + check_endpoint(level, answered, answers, references, renderer)


def _check_end_text(level: str, server: LlamaClient, template: Template, prompt: Prompt) -> ParityCheck:
    """Whether the server keeps the end token out of the text of an answer.

    llama-server prints the special tokens that its parser of a chat template wants to see. Where that parser does not
    know what a turn ends with (Command R), every answer ends with the text of the end token.
    """
    answer = server.chat(prompt.served, max_tokens=2, bias={template.eos_id: 1000.0})
    fault = f"the server shows the end token: an answer that ends at once reads {answer['text']!r}"
    return make_check(
        "end of answers", level, fault if template.eos_token in answer["text"] else None, "no end token shown", "shown"
    )


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
        served = server.apply_template(prompt.served, prompt.tools)
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
        make_check("prompt text", level, text_fault, f"{count} rendered to the same text{around}", "rendered"),
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


def _count_leading(ids: list[int], token: int) -> int:
    return next((i for i, value in enumerate(ids) if value != token), len(ids))
