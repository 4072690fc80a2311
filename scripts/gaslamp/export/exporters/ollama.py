"""Ollama Modelfile: the recorded chat template in Ollama's template language, checked to render the same prompts.

A different prompt format is how a good model turns bad after export. So a template that nothing here reproduces gets
no TEMPLATE: the file then says why, and every other file of the run ships.
"""

from __future__ import annotations

import re
from pathlib import Path

from gaslamp.core.console import say
from gaslamp.core.contracts import Ladder, Parity, Template
from gaslamp.core.errors import GaslampError
from gaslamp.export.artefacts import require_parity
from gaslamp.export.llamacpp.gguf_facts import open_gguf
from gaslamp.export.modelfile.families import Detected, detect_family
from gaslamp.export.modelfile.quoting import quote

TITLE = "a Modelfile for Ollama"
NEEDS_ANSWERS = True  # not for models that return scores or vectors
NEEDS_GGUF = True
REQUIRES: tuple[str, ...] = ("jinja2",)


def export(
    parity: Parity,
    ladder: Ladder,
    template: Template,
    level: str,
    context: int,
    system: str | None,
    mmproj: Path | None = None,
    adds_bos: bool = True,
    as_user: bool = False,
) -> str:
    """The Modelfile's text; comments alone, with the reason, when Ollama cannot be given the recorded prompts.

    Args:
        parity: the gate; a failed one without override is refused.
        ladder: which level is recommended and which there are.
        template: the recorded template.
        level: ``recommended`` or the name of a level.
        context: tokens, for num_ctx.
        system: system prompt of every row, or ``None`` for the template's own.
        mmproj: vision tower of a vision model, in the same folder.
        adds_bos: with this GGUF file llama.cpp puts a BOS token before the prompt.
        as_user: the system prompt is the beginning of the first user turn (data.system_as_user).
    """
    require_parity(parity, "ship")
    chosen = ladder.recommended if level == "recommended" else level
    if chosen not in [rung.level for rung in ladder.levels]:
        raise GaslampError(
            f"level {chosen} was not made", f"deploy.level: {' or '.join(rung.level for rung in ladder.levels)}"
        )
    try:
        detected = detect_family(template, as_user)
        written = _write_prompt(detected, adds_bos, system)
    except GaslampError as error:
        say(f"no Modelfile: {error.cause}; everything else is exported. {error.fix}")
        return "".join(f"# {line}\n" for line in (f"No Modelfile: {error.cause}", f"What to do: {error.fix}"))
    lines = [
        f"# {detected.family.name} prompts, checked against the template with sha256 {template.sha256}",
        f"FROM ./model-{chosen}.gguf",
    ]
    lines += [f"FROM ./{mmproj.name}", ""] if mmproj else [""]
    lines += [*written, f"PARAMETER num_ctx {context}"]
    lines += [f'PARAMETER stop "{token}"' for token in dict.fromkeys([*template.stop_tokens, *detected.family.stops])]
    return "\n".join(lines) + "\n"


def _write_prompt(detected: Detected, adds_bos: bool, system: str | None) -> list[str]:
    """The lines TEMPLATE and SYSTEM.

    Raises:
        GaslampError: a Modelfile cannot hold one of them, or the template has no place for a system prompt.
    """
    if system and not detected.takes_system:
        raise GaslampError(
            "the chat template has no system turn, and the rows have a system prompt",
            "set data.system_as_user: true: it puts the system prompt into the first user turn",
        )
    lines = []
    for word, text in (("TEMPLATE", detected.get_template(adds_bos)), ("SYSTEM", system or detected.default)):
        value = quote(text)
        if value is None:
            raise GaslampError(
                f"Ollama would read another {word} than this text: it has three quotes at the end of a line, or a "
                f"character that does not print: {text[:120]!r}",
                "change data.system a little" if word == "SYSTEM" else "serve the model with `make deploy`",
            )
        lines += [f"{word} {value}"] if text else []
    return lines


def is_complete(text: str) -> bool:
    """Whether the text of a Modelfile is one, or only says why there is none."""
    return not text.startswith("# No Modelfile")


def verify(modelfile: Path) -> list[str]:
    """What is wrong with a Modelfile: a missing GGUF file, a stop token that is not in the vocabulary."""
    text = modelfile.read_text(encoding="utf-8")
    if not is_complete(text):
        return []
    sources = [modelfile.parent / name for name in re.findall(r"^FROM (\S+)$", text, re.MULTILINE)]
    problems = [
        f"{word} is missing"
        for word in ("FROM", "TEMPLATE", "PARAMETER num_ctx")
        if not re.search(rf"^{word} ", text, re.MULTILINE)
    ]
    missing = [f"{file} does not exist" for file in sources if not file.is_file()]
    if missing or not sources:
        return [*problems, *missing]
    field = open_gguf(sources[0]).get_field("tokenizer.ggml.tokens")
    known = set(field.contents()) if field else set()
    stops = re.findall(r'^PARAMETER stop "(.*)"$', text, re.MULTILINE)
    return problems + [
        f"stop token {token} is not in the vocabulary of {sources[0].name}" for token in stops if token not in known
    ]
