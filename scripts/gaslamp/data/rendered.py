"""Conversations that were rendered before, with the marks of a chat template in one text: back to turns.

ChatML, Llama 2 and Mistral, Llama 3, Gemma, Zephyr and Phi, Vicuna and Glaive (``USER:``), Alpaca. The marks are
format; the chat template of the model writes its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gaslamp.data.rows import Message
from gaslamp.data.turns import PLAIN, get_role


@dataclass(frozen=True)
class Form:
    """How a template writes turns.

    Attributes:
        border: matches what stands in front of a turn; its group ``role`` names who wrote it.
        ends: what may stand behind a turn, once.
    """

    border: re.Pattern[str]
    ends: tuple[str, ...]


_ROLES = "system|user|assistant|tool|developer|model|ipython"
_SPEAKERS = r"SYSTEM|USER|HUMAN|ASSISTANT|FUNCTION RESPONSE|System|User|Human|Assistant"
_NAMES = (
    "human|user|customer|client|caller|visitor|kunde|kundin|nutzer|benutzer|cliente|usuario|utilisateur|utente|"
    "gebruiker|用户|客户|顾客|assistant|bot|chatbot|ai|agent|advisor|representative|operator|support|helpdesk|berater|"
    "beraterin|assistent|asistente|assistente|助手|客服|system"
)
_HEADINGS = "Instruction|Input|Response|System|User|Assistant|Human"
_ENDS = ("</s>\n", "</s>", "<|end|>\n", "<|end|>", " <|endoftext|>", "<|endoftext|>", "\n")
FORMS = (
    Form(re.compile(rf"<\|im_start\|>(?P<role>{_ROLES})\n"), ("<|im_end|>\n", "<|im_end|>")),
    Form(re.compile(rf"<\|start_header_id\|>(?P<role>{_ROLES})<\|end_header_id\|>\n\n"), ("<|eot_id|>",)),
    Form(re.compile(r"<start_of_turn>(?P<role>user|model)\n"), ("<end_of_turn>\n", "<end_of_turn>")),
    Form(re.compile(rf"<\|(?P<role>{_ROLES})\|>\n?"), _ENDS),
    Form(re.compile(rf"(?:\A\s*|\n\s*)(?:\*\*|[<\[])(?P<role>{_NAMES})[>\]:*]+ ?:?\s?", re.IGNORECASE), _ENDS),  # OIG
    Form(re.compile(rf"(?:\A\s*|\n\s*|\s*</s>\s*|\s+(?=USER:|ASSISTANT:))(?P<role>{_SPEAKERS}):[ \n]"), _ENDS),
    Form(re.compile(rf"(?:\A\s*|\n\s*)(?P<role>{_NAMES}) ?[:\uff1a]\s?", re.IGNORECASE), _ENDS),
    Form(re.compile(r"(?:\A\s*|\s+)(?P<role>user|assistant|system):\s", re.IGNORECASE), _ENDS),
    Form(re.compile(rf"(?:\A|\n+)### ?(?P<role>{_HEADINGS}):[ \n]*"), _ENDS),
)
BEGINS = ("<|begin_of_text|>", "<bos>", "<s>", "<|endoftext|>")
FINAL = ("<|end_of_text|>", "<eos>", "</s>", "<|endoftext|>")
PREFACES = ("Below is an instruction", "A chat between")
"""How texts open in front of their first turn: Alpaca's form, which is left out, and Vicuna's system prompt."""
WORDS = {"instruction": "user", "response": "assistant", "function response": "tool", "input": "input"}
LLAMA = re.compile(r"\s*(?:<s>)?\s*\[INST\]\s?(.*?)\s?\[/INST\]\s?(.*?)\s*(?=<s>|\Z|</s>|\[INST\])(?:</s>)?", re.DOTALL)
SYSTEM = re.compile(r"\s*<<SYS>>\n?(.*?)\n?<</SYS>>\s*", re.DOTALL)


def split_rendered(text: str) -> list[Message]:
    """The turns of a rendered conversation; none for a text that is none.

    A text is one when it opens with a mark (behind a beginning token, or Alpaca's preface) and a user and an assistant
    are among its turns.
    """
    body = text.strip()
    for token in BEGINS:
        body = body.removeprefix(token).lstrip()
    if body.startswith("[INST]"):
        return _split_llama(text.strip())
    for form in FORMS:
        found = list(form.border.finditer(body))
        preface = body[: found[0].start()].strip() if found else ""
        if found and (not preface or preface.startswith(PREFACES)):
            turns = _read(body, found, form)
            if {"user", "assistant"} <= {turn["role"] for turn in turns}:
                system = {"role": "system", "content": preface}
                return [system, *turns] if preface.startswith(PREFACES[1]) else turns
    return []


def _read(body: str, found: list[re.Match[str]], form: Form) -> list[Message]:
    turns: list[Message] = []
    for match, following in zip(found, [*found[1:], None], strict=True):
        said = body[match.end() : following.start() if following else len(body)]
        name = match["role"].lower()
        role = WORDS.get(name, get_role(name))
        if following is None:
            for token in FINAL:
                said = said.rstrip().removesuffix(token)
        end = next((end for end in form.ends if said.endswith(end)), "")
        said = said.removesuffix(end).strip() if end or following is None else said.strip()
        if role == "input":
            if turns and said:
                turns[-1] = {**turns[-1], "content": f"{turns[-1]['content']}\n\n{said}"}
        elif role in PLAIN and (said or role != "assistant"):
            turns.append({"role": role, "content": said})
    return turns


def _split_llama(text: str) -> list[Message]:
    """The turns of ``<s>[INST] question [/INST] answer </s>``, with the system prompt inside the first question."""
    turns: list[Message] = []
    at = 0
    while at < len(text):
        found = LLAMA.match(text, at)
        if not found or found.end() == at:
            return []
        question, answer = found[1], found[2]
        if not turns and (system := SYSTEM.match(question)):
            turns.append({"role": "system", "content": system[1].strip()})
            question = question[system.end() :]
        turns.append({"role": "user", "content": question.strip()})
        if answer.strip():
            turns.append({"role": "assistant", "content": answer.strip()})
        at = found.end()
    return turns if any(turn["role"] == "assistant" for turn in turns) else []
