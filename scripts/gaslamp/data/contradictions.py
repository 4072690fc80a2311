"""Rows that say different things about the same: one question with two answers, one text with two labels.

Case, blanks and the punctuation at the end do not count. Memory holds 16 bytes a row while it runs.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gaslamp.core.files import JsonObject
from gaslamp.data.checking import KEPT, Finding, Sample
from gaslamp.data.rows import Row, format_calls, get_calls, get_images, get_prompt, get_reference, get_text

SHORT, MOST = 60, 50  # letters of an answer that is a class, and how many classes there may be
SHOWN = 80  # letters of an answer in a finding
Pair = tuple[str, str]


@dataclass(frozen=True)
class Contradictions:
    """Prompts that have more than one answer.

    Attributes:
        are_classes: whether the answers are a few short ones, ratings or an order: then one of them is wrong.
        count: prompts with several answers.
        first: of the first ones the positions of two rows that differ.
    """

    are_classes: bool
    count: int
    first: list[tuple[int, int]]


def normalize(text: str) -> str:
    """A text without what makes no difference: case, blanks, punctuation at its end."""
    return " ".join(text.split()).casefold().rstrip(" .,;:!?\u3002\uff01\uff1f\u2026")


def get_pair(row: Row, kind: str) -> Pair | None:
    """The subject of a row and what the row says about it, normalized; ``None``: nothing that another contradicts."""
    if kind == "conversation":
        said = get_reference(row)
        return None if said is None else (_get_question(get_prompt(row), row), normalize(said))
    if kind == "prompt" and row.get("answer") is not None:
        return _get_question(row["prompt"], row), normalize(str(row["answer"]))
    if kind == "rating":
        return _get_question([*row["prompt"], *row["completion"]], row), "good" if row["label"] else "bad"
    if kind == "preference":
        chosen, rejected = (_get_question(row[side], {}) for side in ("chosen", "rejected"))
        return "\0".join((_get_question(row["prompt"], row), *sorted((chosen, rejected)))), chosen
    return None


def _get_question(messages: list[JsonObject], row: Row) -> str:
    """The words, pictures and calls of some turns, and the tools of the row, in one text."""
    parts = [normalize(get_text(turn)) for turn in messages]
    parts += [str(image) for image in get_images(messages)]
    parts += [format_calls(calls) for turn in messages if (calls := get_calls(turn))]
    if row.get("tools"):
        parts.append(str(row["tools"]))
    return "\0".join(parts)


def find_contradictions(samples: Iterable[Sample], kind: str, shared: JsonObject) -> Contradictions:
    """The prompts of all rows that have different answers.

    Args:
        samples: all rows; iterated once.
        kind: of the rows.
        shared: keeps the result for the other check that needs it.
    """
    if "contradictions" not in shared:
        shared["contradictions"] = _find(samples, kind)
    found: Contradictions = shared["contradictions"]
    return found


def _find(samples: Iterable[Sample], kind: str) -> Contradictions:
    import numpy as np

    questions, said = array("Q"), array("Q")
    answers: set[int] = set()
    are_classes = True
    for sample in samples:
        pair = get_pair(sample.row, kind)
        key, answer = (_hash(pair[0]), _hash(pair[1])) if pair else (len(questions), 0)
        questions.append(key)
        said.append(answer)
        if are_classes and pair and kind == "conversation":
            answers.add(answer)
            are_classes = len(pair[1]) <= SHORT and len(answers) <= MOST
    if not questions:
        return Contradictions(False, 0, [])
    are_classes = are_classes and (kind != "conversation" or len(answers) <= max(2, len(questions) // 3))
    keys, values = np.frombuffer(questions, np.uint64), np.frombuffer(said, np.uint64)
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    differs = np.flatnonzero((keys[1:] == keys[:-1]) & (values[1:] != values[:-1])) + 1
    _, starts = np.unique(keys[differs], return_index=True)
    chosen = differs[np.sort(starts)]
    pairs = sorted((int(order[at - 1]), int(order[at])) for at in chosen[np.argsort(order[chosen])][:KEPT])
    return Contradictions(are_classes, len(starts), pairs)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def describe(found: Contradictions, samples: Iterable[Sample], kind: str) -> Iterator[Finding]:
    """One finding for each prompt; only the first get their places and answers looked up.

    Args:
        found: by ``find_contradictions``.
        samples: the same rows.
        kind: of the rows.
    """
    wanted = {position for pair in found.first for position in pair}
    rows = {position: sample for position, sample in enumerate(samples) if position in wanted} if wanted else {}
    for first, second in found.first:
        one, other = rows[first], rows[second]
        yield Finding(
            other.place, f"{_say(other, kind)} here, {_say(one, kind)} in {one.place}, for the same {_WHAT[kind]}"
        )
    for _ in range(found.count - len(found.first)):
        yield Finding("", "")


_WHAT = {"conversation": "question", "prompt": "question", "rating": "answer", "preference": "two answers"}


def _say(sample: Sample, kind: str) -> str:
    """What a row says, in short."""
    row = sample.row
    if kind == "rating":
        return "rated good" if row["label"] else "rated bad"
    text = get_text(row["chosen"][-1]) if kind == "preference" else get_reference(row) or ""
    text = " ".join(text.split())
    shown = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}\u2026"
    return f"{'chosen ' if kind == 'preference' else ''}'{shown}'"
