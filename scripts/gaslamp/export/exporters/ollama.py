"""Ollama Modelfile: the recorded chat template in Ollama's template language, checked to render the same prompts.

No table of model names: each family below is tried against the recorded template on a few conversations, and one that
renders exactly the same text is taken. A template that no family reproduces is refused, because a different prompt
format is how a good model turns bad after export.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gaslamp.core.contracts import Ladder, Parity, Template
from gaslamp.core.errors import GaslampError
from gaslamp.export.artefacts import require_parity

NEEDS_ANSWERS = True  # nothing for a model that gives scores or vectors
REQUIRES: tuple[str, ...] = ("jinja2",)

Messages = list[dict[str, str]]
_MARK = "\u2e28system\u2e29"  # a placeholder system prompt, to find its place in a rendered prompt


@dataclass(frozen=True)
class Family:
    """One prompt format.

    ``template`` is Go text with ``@`` where ``preamble`` goes (text that the model's template puts before every system
    prompt); ``render`` is its twin in Python: (messages without system, system, preamble) -> prompt.
    """

    name: str
    template: str
    render: Callable[[Messages, str, str], str]
    stops: tuple[str, ...]
    preamble: str = ""

    def get_template(self) -> str:
        """The text for TEMPLATE."""
        return self.template.replace("@", self.preamble)


def _chatml(messages: Messages, system: str, preamble: str) -> str:
    turns = ([{"role": "system", "content": preamble + system}] if system else []) + messages
    return "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in turns) + "<|im_start|>assistant\n"


def _llama3(messages: Messages, system: str, preamble: str) -> str:
    turns = ([{"role": "system", "content": preamble + system}] if system or preamble else []) + messages
    text = "".join(f"<|start_header_id|>{m['role']}<|end_header_id|>\n\n{m['content']}<|eot_id|>" for m in turns)
    return text + "<|start_header_id|>assistant<|end_header_id|>\n\n"


def _gemma(messages: Messages, system: str, preamble: str) -> str:
    text = ""
    for number, m in enumerate(messages):
        role = "model" if m["role"] == "assistant" else "user"
        before = system + "\n\n" if system and not number else ""
        text += f"<start_of_turn>{role}\n{before}{m['content']}<end_of_turn>\n"
    return text + "<start_of_turn>model\n"


def _mistral(gap: str) -> Callable[[Messages, str, str], str]:
    def render(messages: Messages, system: str, preamble: str) -> str:
        text = ""
        for number, m in enumerate(messages):
            if m["role"] == "assistant":
                text += f" {m['content']}</s>"
            else:
                last = number == len(messages) - 1
                text += f"[INST] {system + chr(10) * 2 if system and last else ''}{m['content']}{gap}[/INST]"
        return text

    return render


_LLAMA_SYSTEM = "<|start_header_id|>system<|end_header_id|>\n\n@{{ .System }}<|eot_id|>"
_MISTRAL = (
    '{{ range $i, $m := .Messages }}{{ if eq $m.Role "user" }}[INST] '
    "{{ if and $.System (eq (len (slice $.Messages $i)) 1) }}{{ $.System }}\n\n{{ end }}{{ $m.Content }}GAP[/INST]"
    '{{ else if eq $m.Role "assistant" }} {{ $m.Content }}</s>{{ end }}{{ end }}'
)
FAMILIES = (
    Family(
        "ChatML",
        "{{ if .System }}<|im_start|>system\n@{{ .System }}<|im_end|>\n{{ end }}"
        '{{ range .Messages }}{{ if ne .Role "system" }}'
        "<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}{{ end }}"
        "<|im_start|>assistant\n",
        _chatml,
        ("<|im_start|>", "<|im_end|>"),
    ),
    Family(
        "Llama 3",
        "{{ if .System }}" + _LLAMA_SYSTEM + "{{ end }}"
        '{{ range .Messages }}{{ if ne .Role "system" }}'
        "<|start_header_id|>{{ .Role }}<|end_header_id|>\n\n{{ .Content }}<|eot_id|>"
        "{{ end }}{{ end }}<|start_header_id|>assistant<|end_header_id|>\n\n",
        _llama3,
        ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    ),
    Family(
        "Gemma",
        '{{ $first := true }}{{ range .Messages }}{{ if eq .Role "user" }}<start_of_turn>user\n'
        "{{ if and $first $.System }}{{ $.System }}\n\n{{ end }}{{ $first = false }}{{ .Content }}<end_of_turn>\n"
        '{{ else if eq .Role "assistant" }}<start_of_turn>model\n{{ .Content }}<end_of_turn>\n{{ end }}{{ end }}'
        "<start_of_turn>model\n",
        _gemma,
        ("<end_of_turn>",),
    ),
    Family("Mistral", _MISTRAL.replace("GAP", " "), _mistral(" "), ("</s>",)),  # its brackets are no tokens
    Family("Mistral (v3)", _MISTRAL.replace("GAP", ""), _mistral(""), ("[INST]", "[/INST]", "</s>")),
)


def get_renderer(template: Template) -> Callable[[Messages], str]:
    """A function that renders messages with the recorded Hugging Face template, the generation prompt included."""
    import jinja2
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """``{% generation %}`` marks trained text; it renders as what it encloses."""

        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def refuse(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = refuse
    try:
        compiled = environment.from_string(template.chat_template)
    except jinja2.TemplateError as error:
        raise GaslampError(
            f"the chat template does not parse: {error}", "fix chat_template in the model's tokenizer_config.json"
        ) from error
    return lambda messages: compiled.render(
        messages=messages, add_generation_prompt=True, bos_token=template.bos_token or "", eos_token=template.eos_token
    )


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def detect_family(template: Template) -> tuple[Family, str, bool]:
    """The family with the same prompts, the template's default system prompt, and whether it takes a system turn.

    Raises GaslampError for a template that no family reproduces.
    """
    import jinja2

    render = get_renderer(template)
    chats: list[Messages] = [
        [_user("first")],
        [_user("first"), {"role": "assistant", "content": "answer"}, _user("second")],
    ]
    try:
        plain = [render(chat) for chat in chats]
    except jinja2.TemplateError as error:
        raise GaslampError(
            f"the chat template cannot render a plain question: {error}", "fix chat_template in tokenizer_config.json"
        ) from error
    try:
        with_system = [render([{"role": "system", "content": _MARK}, *chat]) for chat in chats]
    except jinja2.TemplateError:
        with_system = []  # some templates refuse a system turn
    for family in FAMILIES:
        # Ollama puts the BOS token before the prompt by itself, as the GGUF file says
        for bos in ("", template.bos_token or ""):
            if found := _match(
                family, chats, [_cut(text, bos) for text in plain], [_cut(text, bos) for text in with_system]
            ):
                return *found, bool(with_system)
    raise GaslampError(
        f"no known prompt format ({', '.join(family.name for family in FAMILIES)}) renders the same prompt "
        "as the recorded template; "
        f"it renders {plain[0][:200]!r}",
        "serve the model with `make deploy` (llama.cpp reads the template from the GGUF file), or add a Family in "
        "scripts/gaslamp/export/exporters/ollama.py",
        "the template inserts something that changes, such as today's date",
    )


def _cut(text: str, bos: str) -> str:
    return text.removeprefix(bos) if bos else text


def _match(
    family: Family, chats: list[Messages], plain: list[str], with_system: list[str]
) -> tuple[Family, str] | None:
    """``family`` with its preamble, and the default system prompt, when it renders exactly these prompts."""
    if with_system:
        before, _, _ = family.render(chats[0], _MARK, "").partition(_MARK)
        start, mark, _ = with_system[0].partition(_MARK)
        if not mark or not start.startswith(before):
            return None
        family = replace(family, preamble=start[len(before) :])
        if "{{" in family.preamble or "@" in family.preamble or (family.preamble and "@" not in family.template):
            return None
        if [family.render(chat, _MARK, family.preamble) for chat in chats] != with_system:
            return None
    default = ""
    if family.render(chats[0], "", family.preamble) != plain[0]:
        # the same prompt with something in the place of the system prompt: the template's default
        before, _, after = family.render(chats[0], _MARK, family.preamble).partition(_MARK)
        if not (plain[0].startswith(before) and plain[0].endswith(after) and len(plain[0]) > len(before) + len(after)):
            return None
        default = plain[0][len(before) : len(plain[0]) - len(after)]
    if [family.render(chat, default, family.preamble) for chat in chats] != plain:
        return None
    if family.preamble and not default:
        # printed even with no system prompt
        family = replace(
            family, template=family.template.replace("{{ if .System }}" + _LLAMA_SYSTEM + "{{ end }}", _LLAMA_SYSTEM)
        )
    return family, default


def _quote(text: str) -> str:
    if '"""' in text or text.endswith('"') or text.startswith('"'):
        raise GaslampError(
            "a system prompt or template with quotes at its end cannot stand in a Modelfile",
            "change data.system a little",
        )
    return f'"""{text}"""'


def export(
    parity: Parity,
    ladder: Ladder,
    template: Template,
    level: str,
    context: int,
    system: str | None,
    mmproj: Path | None = None,
) -> str:
    """The Modelfile's text.

    Args:
        parity: the gate; a failed one without override is refused.
        ladder: which level is recommended and which there are.
        template: the recorded template.
        level: ``recommended`` or the name of a level.
        context: tokens, for num_ctx.
        system: system prompt of every row, or ``None`` for the template's own.
        mmproj: vision tower of a vision model, in the same folder.
    """
    require_parity(parity, "ship")
    chosen = ladder.recommended if level == "recommended" else level
    if chosen not in [rung.level for rung in ladder.levels]:
        raise GaslampError(
            f"level {chosen} was not made", f"deploy.level: {' or '.join(rung.level for rung in ladder.levels)}"
        )
    family, default, takes_system = detect_family(template)
    if system and not takes_system:
        raise GaslampError(
            "the model's chat template refuses system prompts, but data.system is set",
            "put it into the prompts of your rows",
        )
    lines = [
        f"# {family.name} prompts, checked against the template with sha256 {template.sha256}",
        f"FROM ./model-{chosen}.gguf",
    ]
    lines += [f"FROM ./{mmproj.name}", ""] if mmproj else [""]
    lines.append(f"TEMPLATE {_quote(family.get_template())}")
    if prompt := system or default:
        lines.append(f"SYSTEM {_quote(prompt)}")
    lines.append(f"PARAMETER num_ctx {context}")
    lines += [f'PARAMETER stop "{token}"' for token in dict.fromkeys([*template.stop_tokens, *family.stops])]
    return "\n".join(lines) + "\n"


def verify(modelfile: Path) -> list[str]:
    """What is wrong with a Modelfile: a missing GGUF file, a stop token that is not in the vocabulary."""
    text = modelfile.read_text(encoding="utf-8")
    sources = [modelfile.parent / name for name in re.findall(r"^FROM (\S+)$", text, re.MULTILINE)]
    problems = [
        f"{word} is missing"
        for word in ("FROM", "TEMPLATE", "PARAMETER num_ctx")
        if not re.search(rf"^{word} ", text, re.MULTILINE)
    ]
    missing = [f"{file} does not exist" for file in sources if not file.is_file()]
    if missing or not sources:
        return [*problems, *missing]
    from gguf import GGUFReader

    field = GGUFReader(sources[0]).get_field("tokenizer.ggml.tokens")
    known = set(field.contents()) if field else set()
    stops = re.findall(r'^PARAMETER stop "(.*)"$', text, re.MULTILINE)
    return problems + [
        f"stop token {token} is not in the vocabulary of {sources[0].name}" for token in stops if token not in known
    ]
