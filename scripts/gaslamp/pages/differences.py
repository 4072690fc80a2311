"""Answers made comparable: JSON laid out, differences from the expected answer found word by word."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from typing import Any

from gaslamp.core.contracts import Example

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
MARKED_FROM = 0.35  # answers less alike than this are different as a whole: marking every word would say nothing
MAX_WORDS = 4000  # the comparison is quadratic; longer answers are shown without marks
WIDTH = 50  # a JSON part stays on one line when that line gets no longer than this


class _Number(str):
    """A JSON number as it was written: 4.50 must not turn into 4.5 on the page."""


class _Object(list[tuple[str, Any]]):
    """A JSON object with its order and its repeated keys."""


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def lay_out(text: str) -> str | None:
    """JSON objects and arrays over several lines, each part on one line where it fits; ``None`` for any other text."""
    try:
        value = json.loads(
            text, object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number, parse_constant=_refuse
        )
        return _lay_out(value, "") if isinstance(value, list) else None
    except (ValueError, RecursionError):
        return None


def _lay_out(value: Any, indent: str, key: str = "") -> str:
    if isinstance(value, _Number):
        return key + value
    if not isinstance(value, list):
        return key + json.dumps(value, ensure_ascii=False)
    if isinstance(value, _Object):
        opening, closing, pad = "{", "}", " "
        parts = [_lay_out(item, indent + "  ", f"{json.dumps(name, ensure_ascii=False)}: ") for name, item in value]
    else:
        opening, closing, pad = "[", "]", ""
        parts = [_lay_out(item, indent + "  ") for item in value]
    if not parts:
        return key + opening + closing
    line = f"{key}{opening}{pad}{', '.join(parts)}{pad}{closing}"
    if "\n" not in line and len(indent + line + ",") <= WIDTH and indent:
        return line
    return f"{key}{opening}\n" + ",\n".join(f"{indent}  {part}" for part in parts) + f"\n{indent}{closing}"


def mark(answer: str, expected: str) -> list[tuple[str, bool]]:
    """``answer`` in pieces that concatenate to it exactly;
    True marks a piece whose words are not in ``expected`` there.
    """
    words, other = _WORDS.findall(answer), _WORDS.findall(expected)
    if not words or len(words) > MAX_WORDS or len(other) > MAX_WORDS:
        return [(answer, False)]
    matcher = difflib.SequenceMatcher(None, words, other, autojunk=False)
    if matcher.ratio() < MARKED_FROM:
        return [(answer, False)]
    pieces: list[tuple[str, bool]] = []
    for operation, start, end, _, _ in matcher.get_opcodes():
        text = "".join(words[start:end])
        differs = operation != "equal" and bool(text.strip())
        if text and pieces and pieces[-1][1] == differs:
            pieces[-1] = (pieces[-1][0] + text, differs)
        elif text:
            pieces.append((text, differs))
    return pieces


def choose(examples: Sequence[Example], limit: int) -> list[Example]:
    """Up to ``limit`` examples: half of them clear improvements, a third comparable, and a regression when there is
    one.

    Places that one kind cannot fill go to the others, improvements first; within a kind the given order stays.
    """
    kinds = {
        kind: [example for example in examples if example.change == kind]
        for kind in ("improved", "comparable", "regressed")
    }
    quota = {"regressed": min(1, limit - 1), "comparable": limit // 3}
    quota["improved"] = limit - quota["regressed"] - quota["comparable"]
    taken = {kind: min(quota[kind], len(found)) for kind, found in kinds.items()}
    for kind, found in kinds.items():
        free = limit - sum(taken.values())
        taken[kind] += max(0, min(free, len(found) - taken[kind]))
    return [example for kind, found in kinds.items() for example in found[: taken[kind]]]


def get_label(example: Example, limit: int = 50) -> str:
    """The last user turn on one line, cut at ``limit`` characters."""
    turns = [turn.get("content", "") for turn in example.prompt if turn.get("role") == "user"] or [example.id]
    text = " ".join(turns[-1].split()) or example.id
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
