"""Two answers to one prompt and a column that says which is better.

Chatbot arena, SHP, PKU, WebGPT, HelpSteer's preferences.

The column may name the better one (``model_a``, ``A``, ``response_1``, ``A is better``), be a number or a flag
(``first_if`` says what means the first), or each answer has a score, a rank or a flag. Ties are left out.
"""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

from gaslamp.data.cells import find_column, first_value, parse_list
from gaslamp.data.comparing import SYSTEM, WITH_INPUT, alternate, make_pair, read_side, show
from gaslamp.data.formats.choices import find_lettered
from gaslamp.data.judged import agree, find_better, try_row
from gaslamp.data.rows import LeftOut, Message, Row, SourceRow
from gaslamp.data.transcripts import is_transcript
from gaslamp.data.turns import is_turns, read_turn
from gaslamp.data.twins import find_mark, find_twins, get_marks, is_sided, split_name
from gaslamp.data.verdicts import Side, clean, explain_numbers, get_number, say_numbers

KIND = "preference"
ORDER = 12
EXAMPLE = '{"prompt": "2 + 2?", "response_a": "4", "response_b": "5", "winner": "a"}'
REQUIRED = ("first", "second")
OPTIONAL = (
    "prompt",
    "system",
    "input",
    "tools",
    "margin",
    "tie",
    "winner",
    "first_if",
    "second_if",
    "first_score",
    "second_score",
    "first_rank",
    "second_rank",
)
READ_ANYWAY = ("system", "tools")
PROMPTS = (
    *("prompt", "question", "query", "instruction", "history", "post", "context", "problem", "messages"),
    *("conversation", "conversations", "input", "user", "article"),
)
_ANSWERS = """
response responses answer completion output conversation ref reply generation text candidate summary assistant message
model result solution translation
"""
STEMS = frozenset(_ANSWERS.split())
WINNERS = (
    "winner",
    "better_response_id",
    "safer_response_id",
    "preference",
    "preferred",
    "better",
    "overall_preference",
    "preference_strength",
    "human_preference",
    "chosen",
    "choice",
    "label",
    "labels",
    "vote",
    "selected",
    "best",
)
JUDGED = ("winner", "preference", "preferred", "better", "verdict", "judgment", "judgement")
TIE_NAMES = frozenset(("tie", "ties", "tied", "draw", "unentschieden", "empate"))
_VERDICTS = "winner winners wins preference preferred better best verdict vote judgment judgement"
_ASIDE = "id sha256 source model name tokens length severity category safe reason"
WINNER_WORDS, ASIDE = frozenset(_VERDICTS.split()), frozenset(_ASIDE.split())
RATER_WORDS = frozenset(("annotator", "annotation", "rater", "judge", "choice", "label", "selected", "ranking"))
SCORES, RANKS = frozenset(("score", "rating", "reward", "votes")), frozenset(("rank", "ranking"))
FLAGS = WINNER_WORDS | {"win", "won", "chosen", "selected"}


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """Two answers that are numbered or lettered alike, and what says which is better; the first of ``get_readings``."""
    found = get_readings(columns, rows)
    return found[0][1] if found else None


def get_readings(columns: list[str], rows: list[SourceRow]) -> list[tuple[str, dict[str, str], str]]:
    """What the columns can mean, as key, mapping and reason: several where the verdict can be read in several ways."""
    pair = _find_answers(columns, rows)
    if not pair or len(find_lettered(columns) or ()) > 2:  # three answers are the choices of a question
        return []
    first, second, marks = pair
    base = {"first": first, "second": second}
    free = [column for column in columns if column not in (first, second)]
    shared = [column for column in free if not is_sided(column)]
    prompt = find_column(shared, PROMPTS) or next((c for c in shared if set(PROMPTS) & set(split_name(c))), None)
    if not _has_prompt(first_value(rows, first)):
        if not prompt:
            return []
        base["prompt"] = prompt
        extra = find_column([column for column in free if column != prompt], ("input",))
        if extra and prompt.lower() in WITH_INPUT:
            base["input"] = extra
    for role, names in (("system", SYSTEM), ("tools", ("tools",)), ("margin", ("margin",))):
        if column := find_column(free, names):
            base[role] = column
    free = [column for column in free if column not in base.values()]
    if tie := next((column for column in free if TIE_NAMES & set(split_name(column)) and _is_flag(rows, column)), None):
        base["tie"] = tie
        free.remove(tie)
    readings = _read_winners(free, rows, base, marks) or _read_sides(free, rows, base, marks)
    winners = [made.get("winner", "") for made, _ in readings]
    result = []
    for number, (name, (made, reason)) in enumerate(zip(winners, readings, strict=True), 1):
        key = f"preference {name} {number}" if winners.count(name) > 1 else f"preference {name}"
        result.append((key.strip(), made, reason))
    return result


def _is_flag(rows: list[SourceRow], column: str) -> bool:
    return {clean(row.get(column)) for row in rows if row.get(column) is not None} <= {"0", "1", "true", "false"}


def _has_prompt(value: Any) -> bool:
    """Whether an answer is a whole conversation."""
    if isinstance(value, str) and is_transcript(value):
        return True
    return is_turns(value) and read_turn(parse_list(value)[0], "answer")[-1]["role"] != "assistant"


def _find_answers(columns: list[str], rows: list[SourceRow]) -> tuple[str, str, tuple[str, str]] | None:
    """The two columns of answers: of several pairs the one with the longest texts, conversations first."""
    found = []
    for first, second, marks in find_twins(columns, STEMS, ASIDE - {"model"}):
        values = [first_value(rows, name) for name in (first, second)]
        if all(isinstance(value, str | list | dict) for value in values):
            letters = min(len(str(value)) for value in values)
            named = set(split_name(first)) - {*marks, "model"}
            found.append(((bool(named & STEMS), is_turns(values[0]), letters), (first, second, marks)))
    best = max(found, default=None, key=lambda item: item[0])
    if best and best[0][0]:
        return best[1]
    if not find_column(columns, JUDGED):
        return None
    plain = [find_column(columns, (mark,)) for mark in ("a", "b")]
    if plain[0] and plain[1]:  # prompt, a, b, winner
        return plain[0], plain[1], ("a", "b")
    texts = [name for name in columns if STEMS & set(split_name(name)) and isinstance(first_value(rows, name), str)]
    for first, second in combinations(texts, 2):  # gpt_answer, llama_answer
        marks = get_marks(first, second)
        if marks != ("a", "b") and STEMS & set(split_name(first)) & set(split_name(second)):
            return first, second, marks
    return None


def explain_refusal(columns: list[str], rows: list[SourceRow], kinds: tuple[str, ...]) -> tuple[str, str] | None:
    """What is missing in rows of two answers, and the fix, for methods that need pairs; ``None`` for other rows."""
    pair = _find_answers(columns, rows) if kinds[:1] == (KIND,) else None
    if not pair or get_readings(columns, rows):
        return None
    first, second, _ = pair
    prompt = find_column([column for column in columns if column not in (first, second)], PROMPTS) or "prompt"
    judged = find_column(columns, (*WINNERS, *JUDGED))
    given = [show(row[judged]) for row in rows if judged and row.get(judged) not in (None, "")]
    said = f": column '{judged}' is {given[0]} ..." if given else ""
    roles = f'prompt: "{prompt}", first: "{first}", second: "{second}"'
    return (
        f"columns '{first}' and '{second}' hold two answers, and no column says which is better{said}",
        f"name the one that says it, data.columns: {{{roles}, winner: {json.dumps(judged or '...')}, "
        "first_if: ..., second_if: ...}}: what its cells hold where the first, or the second answer is better",
    )


def _read_winners(
    free: list[str], rows: list[SourceRow], base: dict[str, str], marks: tuple[str, str]
) -> list[tuple[dict[str, str], str]]:
    """A reading for each column that may hold the verdict, and for each way to read its numbers."""
    named = [column for name in WINNERS if (column := find_column(free, (name,))) and not is_sided(column)]
    if not named:
        named = [column for column in free if WINNER_WORDS & set(split_name(column)) and not find_mark(column, marks)]
    if not named:
        named = [column for column in free if RATER_WORDS & set(split_name(column))]
    alone = [column for column in free if FLAGS & set(split_name(column)) and find_mark(column, marks)]
    flags = [column for column in alone if _is_flag(rows, column)]
    if not named and len(alone) == 1 and not flags:  # preference (1-7): a scale whose name says its ends
        named = alone
    result: list[tuple[dict[str, str], str]] = []
    verdicts: list[list[Side | None]] = []
    for column in named:
        mapping = {**base, "winner": column}
        numbers = explain_numbers([row.get(column) for row in rows], marks, column)
        ways: list[tuple[dict[str, str], str]] = [
            (
                mapping | {"first_if": first_if} | ({"second_if": second_if} if second_if else {}),
                say_numbers(first_if, second_if, column, base["first"]),
            )
            for first_if, second_if in numbers
        ]
        for made, reason in ways or [
            (mapping, f"'{column}' says whether '{base['first']}' or '{base['second']}' is better")
        ]:
            sides = [try_row(row, made) for row in rows]
            known = sum(side is not None for side in sides)
            if 2 * known < len([row for row in rows if row.get(column) not in (None, "")]) or not known:
                continue
            if not any(agree(sides, other) for other in verdicts):
                verdicts.append(sides)
                result.append((made, reason))
    if not result and len(flags) == 1:
        first = find_mark(flags[0], marks) == marks[0]
        made = {**base, "winner": flags[0], "first_if": "1" if first else "0", "second_if": "0" if first else "1"}
        if any(try_row(row, made) in ("first", "second") for row in rows):
            return [(made, say_numbers(made["first_if"], made["second_if"], flags[0], base["first"]))]
    return result


def _read_sides(
    free: list[str], rows: list[SourceRow], base: dict[str, str], marks: tuple[str, str]
) -> list[tuple[dict[str, str], str]]:
    """A score, a rank or a flag of each answer."""
    for role, words in (("score", SCORES), ("score", FLAGS), ("rank", RANKS)):
        for first, second, own in find_twins(free, words):
            if own == marks and all(get_number(first_value(rows, name)) is not None for name in (first, second)):
                less = "lower" if role == "rank" else "higher"
                return [
                    (
                        {**base, f"first_{role}": first, f"second_{role}": second},
                        f"the answer with the {less} value of '{first}' and '{second}' is better",
                    )
                ]
    return []


def complete(mapping: dict[str, str], rows: list[SourceRow]) -> list[dict[str, str]]:
    """Mappings of data.columns with what the numbers of their column ``winner`` mean; several when that is open."""
    column = mapping.get("winner")
    if not column or "first_if" in mapping:
        return [mapping]
    ways = explain_numbers([row.get(column) for row in rows], get_marks(mapping["first"], mapping["second"]), column)
    return [
        mapping | {"first_if": first_if} | ({"second_if": second_if} if second_if else {})
        for first_if, second_if in ways
    ] or [mapping]


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """Prompt, and the better and the worse answer.

    Raises:
        LeftOut: the answers are equally good.
        ValueError: it does not say which is better, or the two conversations do not share their prompt.
    """
    names = (mapping["first"], mapping["second"])
    listed = _read_listed(row, mapping)
    first, second = listed or [read_side(row.get(name), name) for name in names]
    side = find_better(row, mapping)
    if side == "tie":
        raise LeftOut("no answer is better: a tie")
    used = {key: value for key, value in mapping.items() if not (listed and key == "prompt")}
    if side == "first":
        return make_pair(row, used, first, second, names)
    return make_pair(row, used, second, first, names[::-1])


def _read_listed(row: SourceRow, mapping: dict[str, str]) -> list[list[Message]] | None:
    """Both conversations of a row that has a list of questions and a list of answers of either side (LMSYS).

    Raises:
        ValueError: a question of the list has no answer.
    """
    if "prompt" not in mapping:
        return None
    names = [mapping[role] for role in ("prompt", "first", "second")]
    lists = [parse_list(row.get(name)) for name in names]
    if not all(isinstance(value, list) and value for value in lists) or not all(
        isinstance(text, str) for text in lists[0]
    ):
        return None
    for name, value in zip(names[1:], lists[1:], strict=True):
        if len(value) != len(lists[0]):
            raise ValueError(f"column '{name}' has {len(value)} answers to {len(lists[0])} questions in '{names[0]}'")
        if not all(isinstance(text, str) and text.strip() for text in value):
            raise ValueError(f"column '{name}': an answer of its list is empty")
    return [alternate([text for turn in zip(lists[0], value, strict=True) for text in turn]) for value in lists[1:]]
