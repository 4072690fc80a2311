"""Preferences that are plain, the fast way: texts, HH-RLHF's transcripts, one question with its answer as turns.

What is made here is what ``gaslamp.data.comparing`` makes of the same row; a row that might hold more is left to it.
"""

from __future__ import annotations

from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data.rows import Message, Row, SourceRow
from gaslamp.data.transcripts import OPENINGS, split_transcript
from gaslamp.data.turns import is_plain

ROLES = frozenset(("prompt", "chosen", "rejected"))
"""A mapping of these alone may be plain."""
HUMAN, ASSISTANT = "\n\nHuman:", "\n\nAssistant:"


def read_quickly(row: SourceRow, mapping: JsonObject) -> Row | None:
    """The preference row of plain cells; None where ``comparing`` must look."""
    chosen, rejected = row.get(mapping["chosen"]), row.get(mapping["rejected"])
    prompt = row.get(mapping["prompt"]) if "prompt" in mapping else None
    if type(chosen) is not type(rejected) or row.get("system") or row.get("tools"):
        return None
    if type(chosen) is str and type(rejected) is str:
        if prompt is None:
            return _read_transcripts(chosen, rejected)
        if _is_bare(prompt) and _is_bare(chosen) and _is_bare(rejected) and prompt.lstrip()[:1] != "a":
            return _make([_say("user", prompt)], chosen, rejected)
    if type(chosen) is list and type(rejected) is list and len(chosen) == len(rejected) == 2:
        return _read_turns(prompt, chosen, rejected)
    return None


def _is_bare(text: Any) -> bool:
    """Whether a cell is surely text and nothing else: not empty, no JSON, no transcript."""
    if type(text) is not str or not text or text.startswith(("[", "{", *OPENINGS)):
        return False
    return text[-1] != ":" and not text[-1].isspace()


def _read_transcripts(chosen: str, rejected: str) -> Row | None:
    """Two transcripts that part at their last answer: what stands in front of it is read once."""
    border = chosen.rfind(ASSISTANT)
    begin = border + len(ASSISTANT)
    if border <= 0 or rejected.rfind(ASSISTANT) != border or rejected[:begin] != chosen[:begin]:
        return None
    answers, before = (chosen[begin:], rejected[begin:]), chosen[:border]
    if not before.startswith(HUMAN) or any(not said.strip() or HUMAN in said for said in answers):
        return None
    if before.rstrip().endswith("Assistant:"):  # an empty answer, which a transcript has not at its end
        return None
    return _make(split_transcript(before), *(said.removeprefix(" ") for said in answers))


def _read_turns(prompt: Any, chosen: list[Any], rejected: list[Any]) -> Row | None:
    """A question and its answer on either side, and the question again in a column of its own, or none there."""
    if not all(map(is_plain, (*chosen, *rejected))):
        return None
    question = chosen[0]["content"]
    if [turn["role"] for turn in (*chosen, *rejected)] != ["user", "assistant"] * 2 or rejected[0][
        "content"
    ] != question:
        return None
    if prompt is not None and (prompt != question or not _is_bare(prompt) or prompt.lstrip()[:1] == "a"):
        return None
    return _make([_say("user", question)], chosen[1]["content"], rejected[1]["content"])


def _say(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def _make(prompt: list[Message], chosen: str, rejected: str) -> Row:
    return {"prompt": prompt, "chosen": [_say("assistant", chosen)], "rejected": [_say("assistant", rejected)]}
