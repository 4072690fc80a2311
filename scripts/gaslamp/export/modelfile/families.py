"""The prompt formats that Ollama templates exist for, and the one that a model's own chat template is.

No table of model names: each format is tried against the recorded template on a few conversations, and one that
renders exactly the same text is taken. Where none does, one is derived from what the template renders, and tried the
same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from gaslamp.core.contracts import Template
from gaslamp.core.errors import GaslampError
from gaslamp.export.modelfile.quoting import to_go
from gaslamp.export.modelfile.rendering import Messages, get_renderer

SYSTEM_MARK = "\u2e28system\u2e29"
"""A placeholder system prompt, to find its place in a rendered prompt."""


@dataclass(frozen=True)
class Family:
    """One prompt format.

    ``template`` is Go text with ``@`` where ``preamble`` goes (text that the model's template puts before every system
    prompt); ``render`` is its twin in Python: (messages without system, system, preamble) -> prompt.
    """

    name: str
    template: str
    render: Callable[[Messages, str, str], str]
    stops: tuple[str, ...] = ()
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


def _mistral(gap: str, space: str = " ") -> Callable[[Messages, str, str], str]:
    def render(messages: Messages, system: str, preamble: str) -> str:
        text = ""
        for number, m in enumerate(messages):
            if m["role"] == "assistant":
                text += f"{space}{m['content']}</s>"
            else:
                last = number == len(messages) - 1
                text += f"[INST]{space}{system + chr(10) * 2 if system and last else ''}{m['content']}{gap}[/INST]"
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
    Family(
        "Mistral (Tekken)",
        _MISTRAL.replace("GAP", "").replace("[INST] ", "[INST]").replace("}} {{ $m", "}}{{ $m"),
        _mistral("", ""),
        ("[INST]", "[/INST]", "</s>"),
    ),
)


@dataclass(frozen=True)
class Detected:
    """What a recorded template is for Ollama."""

    family: Family
    default: str  # the template's own system prompt
    takes_system: bool  # it has a system turn
    cut: str  # BOS token that the template begins with and the family does not

    def get_template(self, adds_bos: bool) -> str:
        """The text for TEMPLATE; ``adds_bos``: with this GGUF file llama.cpp puts a BOS token before the prompt."""
        return ("" if adds_bos else to_go(self.cut)) + self.family.get_template()


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


CHATS: tuple[Messages, ...] = (
    [_user("first")],
    [_user("first"), _assistant("answer"), _user("second")],
    [_user("first"), _assistant("answer"), _user("second"), _assistant("another one"), _user("third")],
)
"""What a family must render as the template does, with and without a system prompt."""


def detect_family(template: Template, as_user: bool = False) -> Detected:
    """The family with the same prompts as the recorded template.

    Args:
        template: as recorded.
        as_user: the rows have their system prompt in front of the first question (data.system_as_user). It is put
            there, too, when the template refuses a system turn.

    Raises:
        GaslampError: no text of Ollama's template language that is known here renders the same prompts.
    """
    import jinja2

    render = get_renderer(template)
    try:
        plain = [render(chat) for chat in CHATS]
    except jinja2.TemplateError as error:
        raise GaslampError(
            f"the chat template cannot render a plain question: {error}", "fix chat_template in tokenizer_config.json"
        ) from error
    takes_system = not as_user
    with_system: list[str] = []
    if takes_system:
        try:
            with_system = [render([{"role": "system", "content": SYSTEM_MARK}, *chat]) for chat in CHATS]
        except jinja2.TemplateError:
            takes_system = False  # some templates refuse a system turn
    if not takes_system:
        with_system = [render([_user(f"{SYSTEM_MARK}\n\n{chat[0]['content']}"), *chat[1:]]) for chat in CHATS]
    # Ollama puts the BOS token before the prompt by itself, as the GGUF file says
    cuts = [bos for bos in ("", template.bos_token or "") if not bos or plain[0].startswith(bos)]
    for bos in cuts:
        for family in FAMILIES:
            if found := _match(family, _cut(plain, bos), _cut(with_system, bos), takes_system):
                return Detected(*found, takes_system or as_user, bos)
    bos = cuts[-1]
    if derived := derive_family(_cut(plain, bos), _cut(with_system, bos), takes_system):
        return Detected(derived, "", takes_system or as_user, bos)
    raise GaslampError(
        f"no prompt format of Ollama renders the same prompts as the chat template, whose prompt for one question is "
        f"{plain[0][:200]!r}",
        "serve the model with `make deploy` (llama.cpp reads the template from the GGUF file), or add a Family in "
        "scripts/gaslamp/export/modelfile/families.py",
        "the template changes earlier turns, or inserts something that changes, such as today's date",
    )


def derive_family(plain: list[str], with_system: list[str], takes_system: bool = True) -> Family | None:
    """A format made of the texts between the turns of these prompts (of CHATS); ``None`` when that gives other prompts.

    Args:
        plain: the prompts without a system turn.
        with_system: with SYSTEM_MARK as the system prompt.
        takes_system: it is a turn of its own there; else it is in front of the first question.
    """
    first, answer, second = (message["content"] for message in CHATS[1])
    try:
        begin, end = plain[0].split(first)
        before, to_answer, rest = re.split(f"{first}|{answer}", plain[1])
        to_user, close = rest.split(second)
        opened, closed = "", ""
        if takes_system:
            opened, rest = with_system[0].split(SYSTEM_MARK)
            closed, _ = rest.split(first)
    except ValueError:
        return None
    if (begin, end) != (before, close):
        return None

    def render(messages: Messages, system: str, preamble: str) -> str:
        joined = f"{system}\n\n" if system and not takes_system else ""  # as data.system_as_user puts it
        text = (opened + system + closed if system and takes_system else begin) + joined
        for number, message in enumerate(messages):
            text += (to_answer if number % 2 else to_user if number else "") + message["content"]
        return text + end

    family = Family("Derived", _write_derived(begin, opened, closed, to_answer, to_user, end, takes_system), render)
    if [render(chat, "", "") for chat in CHATS] != plain:
        return None
    if [render(chat, SYSTEM_MARK, "") for chat in CHATS] != with_system:
        return None
    return family


def _write_derived(
    begin: str, opened: str, closed: str, to_answer: str, to_user: str, end: str, takes_system: bool
) -> str:
    """Go text of a derived family."""
    start = (
        f"{{{{ if .System }}}}{to_go(opened)}{{{{ .System }}}}{to_go(closed)}{{{{ else }}}}{to_go(begin)}{{{{ end }}}}"
        if takes_system
        else f"{to_go(begin)}{{{{ if .System }}}}{{{{ .System }}}}\n\n{{{{ end }}}}"
    )
    return (
        f"{start}{{{{ $first := true }}}}{{{{ range .Messages }}}}"
        f'{{{{ if eq .Role "user" }}}}{{{{ if not $first }}}}{to_go(to_user)}{{{{ end }}}}{{{{ $first = false }}}}'
        f"{{{{ .Content }}}}"
        f'{{{{ else if eq .Role "assistant" }}}}{to_go(to_answer)}{{{{ .Content }}}}'
        f"{{{{ end }}}}{{{{ end }}}}{to_go(end)}"
    )


def _cut(texts: list[str], bos: str) -> list[str]:
    return [text.removeprefix(bos) for text in texts] if bos else texts


def _match(family: Family, plain: list[str], with_system: list[str], takes_system: bool) -> tuple[Family, str] | None:
    """``family`` with its preamble, and the default system prompt, when it renders exactly these prompts."""
    if not takes_system and [family.render(chat, SYSTEM_MARK, "") for chat in CHATS] != with_system:
        return None
    if takes_system:
        before, _, _ = family.render(CHATS[0], SYSTEM_MARK, "").partition(SYSTEM_MARK)
        start, mark, _ = with_system[0].partition(SYSTEM_MARK)
        if not mark or not start.startswith(before):
            return None
        family = replace(family, preamble=start[len(before) :])
        if "{{" in family.preamble or "@" in family.preamble or (family.preamble and "@" not in family.template):
            return None
        if [family.render(chat, SYSTEM_MARK, family.preamble) for chat in CHATS] != with_system:
            return None
    default = ""
    if family.render(CHATS[0], "", family.preamble) != plain[0]:
        # the same prompt with something in the place of the system prompt: the template's default
        before, _, after = family.render(CHATS[0], SYSTEM_MARK, family.preamble).partition(SYSTEM_MARK)
        if not (plain[0].startswith(before) and plain[0].endswith(after) and len(plain[0]) > len(before) + len(after)):
            return None
        default = plain[0][len(before) : len(plain[0]) - len(after)]
    if [family.render(chat, default, family.preamble) for chat in CHATS] != plain:
        return None
    if family.preamble and not default:
        # printed even with no system prompt
        family = replace(
            family, template=family.template.replace("{{ if .System }}" + _LLAMA_SYSTEM + "{{ end }}", _LLAMA_SYSTEM)
        )
    return family, default
