"""Conversations written as one text, each turn behind the name of its speaker: ``Human: ...``, ``Assistant: ...``.

Anthropic's HH-RLHF and what was made from it (Nectar, Dahoas), pairs from OpenAssistant (``prompter: ...``), and
prompts that end with an empty ``Assistant:``. The names are format, not text: a chat template writes its own.
"""

from __future__ import annotations

import re
from functools import cache

from gaslamp.data.rows import Message

OPENINGS = ("\n\nHuman:", "prompter:", "### Human:")
"""With these a text is a transcript wherever it ends; nobody opens a question so."""
_OPENING = re.compile(r"\s*(?P<hash>### ?)?(?P<user>[Hh]uman|HUMAN|[Uu]ser|USER|[Pp]rompter):")
_ENDING = ("assistant:", "Assistant:", "ASSISTANT:")
_TAIL = 16  # characters at the end of a text in which an empty ``Assistant:`` stands


def is_transcript(text: str) -> bool:
    """Whether a text is a conversation: it opens with a speaker, and says so or ends with an empty ``Assistant:``."""
    if text.startswith(OPENINGS):
        return True
    last = text[-1:]  # looked at first: most texts end with a full stop or a question mark
    if last != ":" and not last.isspace():
        return False
    return text[-_TAIL:].rstrip().endswith(_ENDING) and _OPENING.match(text) is not None


def split_transcript(text: str) -> list[Message]:
    """The turns of a transcript; an empty ``Assistant:`` at the end is none.

    The lines in front of a name and the space behind it belong to the form; all else is kept. A name counts where a
    turn of this text begins: behind a blank line when the first one stands there, else on a line of its own.

    Args:
        text: one for which ``is_transcript`` holds.
    """
    opening = _OPENING.match(text)
    if not opening:
        return [{"role": "user", "content": text}]
    user = opening["user"]
    style = "blank" if text.startswith("\n\n") else "hash" if opening["hash"] else "line"
    border = _get_border(user, opening["hash"] or "", style)
    pieces = [user, *border.split(text[opening.end() :])]  # name, text, name, text ...
    turns = [
        {"role": "user" if name == user else "assistant", "content": said.removeprefix(" ")}
        for name, said in zip(pieces[::2], pieces[1::2], strict=True)
    ]
    if turns[-1]["role"] == "assistant" and not turns[-1]["content"].strip():
        turns.pop()
        if text.endswith(" "):  # Nectar has a space on either side of a border
            for turn in turns:
                turn["content"] = turn["content"].removesuffix(" ")
    return turns


@cache
def _get_border(user: str, sign: str, style: str) -> re.Pattern[str]:
    """Where a turn behind the first begins: its name, behind what stands in front of one."""
    assistant = "ASSISTANT" if user.isupper() else "Assistant" if user[0].isupper() else "assistant"
    before = {"blank": r"\n\n", "hash": r"\n*", "line": r"\n\n?"}[style]
    return re.compile(rf"{before}{re.escape(sign)}({user}|{assistant}):")
