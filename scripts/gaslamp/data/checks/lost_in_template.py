"""What stands in a row and not in its rendered text: tools, calls, answers, thoughts or pictures that would be lost."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import takewhile

from gaslamp.core import registry
from gaslamp.data.cells import parse_json
from gaslamp.data.checking import Facts, Finding, Sample
from gaslamp.data.readers.numbers import WrittenNumber
from gaslamp.data.rows import Message, Row, get_calls, get_images, get_text
from gaslamp.models.messages import split_thought

TITLE = "parts of rows that the chat template does not show"
SEVERITY = "block"
MAX_PERCENTAGE = 0.0
STAGE = "encoded"
FIX = (
    "choose a model whose chat template shows them, or put another chat_template.jinja into the model folder; to train "
    "without them, remove them from your rows (thoughts: train.thinking: empty)"
)
IMAGE_FIX = "set method to one that learns from pictures (vision_sft), or remove the pictures from your rows"
PATTERN = ("conversation", "preference", "rating", "prompt")
NAMES = ("tools", "tool calls", "thoughts", "answers", "turns")


def check(samples: Iterable[Sample], facts: Facts) -> Iterator[Finding]:
    """Rows of which the model would learn less than they hold, by the rendered text that carries loss."""
    if facts.kind not in PATTERN:
        return
    learns_images = "images" in getattr(registry.get("methods", facts.method), "FIRST_FOR", ())
    for sample in samples:
        row = sample.row
        turns = [turn for key in ("messages", "prompt", "chosen", "completion") for turn in row.get(key) or ()]
        if not learns_images and get_images(turns):
            yield Finding(sample.place, f"its pictures would be lost: {facts.method} learns from text alone", IMAGE_FIX)
            continue
        lost = find_lost(row, sample.pieces or [])
        if facts.thinking != "keep":
            lost.discard("thoughts")
        if lost:
            missing = [name for name in NAMES if name in lost]
            if missing[:2] == ["tools", "tool calls"]:
                text = "the chat template of this model shows neither tools nor calls: they would be lost"
            else:
                text = f"the chat template of this model does not show its {' and '.join(missing)}: they would be lost"
            yield Finding(sample.place, text)


def find_lost(row: Row, sides: list[list[tuple[str, bool]]]) -> set[str]:
    """Which of NAMES stand in a row and not in its rendered text, or not in the part that carries loss.

    Args:
        row: of messages.
        sides: the pieces of each of its training sequences.
    """
    text, learnt = _join(sides), _join(sides, learnt=True)
    lost = set()
    # before the first answer: a call names its tool too, and is no list of tools
    before = "".join(part for part, _ in takewhile(lambda piece: not piece[1], sides[0])) if sides else ""
    for tool in row.get("tools") or ():
        name = tool.get("function", tool).get("name")
        if isinstance(name, str) and not _is_named(name, before):
            lost.add("tools")
    for key in ("messages", "prompt", "chosen", "rejected", "completion"):
        own = sides[key == "rejected"] if key in ("chosen", "rejected") and len(sides) == 2 else None
        for turn in row.get(key) or ():
            train = turn.get("train", turn["role"] == "assistant") if key != "prompt" else False
            where = learnt if train is True else text
            if own is not None:
                where = _join([own], learnt=train is True)
            lost |= find_lost_of_turn(turn, where, train is True)
            if isinstance(train, list) and not all(part in learnt for part in get_marked(turn, train)):
                lost.add("answers" if turn["role"] == "assistant" else "turns")
    return lost


def _join(sides: list[list[tuple[str, bool]]], learnt: bool = False) -> str:
    """The text of some sequences, or the parts of it that carry loss."""
    return "\n".join("".join(part for part, carries in side if carries or not learnt) for side in sides)


def get_marked(turn: Message, ranges: list[list[int]]) -> list[str]:
    """The parts of a turn that are marked as learnt, without white space at their ends."""
    return [get_text(turn)[begin:end].strip() for begin, end in ranges]


def find_lost_of_turn(turn: Message, text: str, is_learnt: bool) -> set[str]:
    """Which of NAMES stand in one turn and not in ``text``."""
    lost = set()
    content = get_text(turn).strip()
    if not content:
        pass
    elif turn["role"] == "assistant":
        if content not in text:
            thought, answer = split_thought(content)
            if not thought:
                answer = content
            if answer.strip() not in text:
                lost.add("answers")
            if is_learnt and thought.strip() not in text:
                lost.add("thoughts")
    elif turn["role"] == "tool":
        if not _stands_in(content, text) and not _is_json(content):
            lost.add("turns")
    elif content not in text:
        lost.add("turns")
    for call in get_calls(turn):
        if not _is_named(call["name"], text) or not all(
            _stands_in(leaf, text) for leaf in get_leaves(parse_json(call["arguments"]))
        ):
            lost.add("tool calls")
    return lost


def get_leaves(value: object) -> Iterator[str]:
    """The texts and numbers in the arguments of a call, as text."""
    if isinstance(value, dict):
        for item in value.values():
            yield from get_leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from get_leaves(item)
    elif isinstance(value, str):
        yield value.strip()
    elif isinstance(value, WrittenNumber):
        yield value.text
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield json.dumps(value)


def _is_named(name: str, text: str) -> bool:
    """Whether a text has the name of a tool as a word of its own: ``f`` does not stand in ``for``."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _stands_in(value: str, text: str) -> bool:
    """Whether a value stands in a text, as it is or escaped as in JSON."""
    return value in text or json.dumps(value, ensure_ascii=False)[1:-1] in text or json.dumps(value)[1:-1] in text


def _is_json(text: str) -> bool:
    """Whether a text is JSON: templates may format the result of a tool again."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
