"""Preferences: two answers to one prompt, the better and the worse.

As texts, as turns, or as a list of which ranks, scores or an index say what is best.

Turns of ``chosen`` and ``rejected`` may repeat the prompt (UltraFeedback): what both share in front is the prompt.
"""

from __future__ import annotations

from typing import Any

from gaslamp.data.cells import find_column, first_value, parse_list
from gaslamp.data.comparing import SYSTEM, WITH_INPUT, make_pair, read_side
from gaslamp.data.judgements import is_verdict
from gaslamp.data.meaning.names import get_hint
from gaslamp.data.passages import is_context
from gaslamp.data.quick_pairs import ROLES, read_quickly
from gaslamp.data.ranking import GOOD_MARKS, RANKS, SCORES, explain_index, get_candidates, get_value, pick_pair
from gaslamp.data.rows import LeftOut, Row, SourceRow
from gaslamp.data.transcripts import is_transcript
from gaslamp.data.turns import get_role, is_turns
from gaslamp.data.verdicts import TIES, clean, get_number

KIND = "preference"
ORDER = 10
EXAMPLE = '{"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}'
REQUIRED = ("chosen", "rejected")
INSTEAD = (("ranked",),)
OPTIONAL = (
    *("prompt", "system", "input", "tools", "margin", "tie", "chosen_score", "rejected_score"),
    *("ranked", "ranks", "scores", "best", "first_number", "context"),
)
READ_ANYWAY = ("system", "tools")
_ANSWERS = ("response", "answer", "output", "completion", "solution", "reply")
_NOUNS = (*_ANSWERS, "messages", "message", "text", "code", "summary", "conversation")
_GOOD, _BAD = ("chosen", "preferred"), ("rejected", "dispreferred", "non_preferred", "nonpreferred", "unpreferred")
_BETTER = ("better", "best", "good", "winning", "positive", "correct", "accepted")
_WORSE = ("worse", "worst", "bad", "losing", "negative", "incorrect")
"""Of texts, code and passages these are no verdict on an answer: a passage that fits, a text to be corrected."""
CHOSEN = (
    *("chosen", "preferred", "better", "accepted", "good", "winner", "response_j"),
    *(f"{side}_{noun}" for side in _GOOD for noun in _NOUNS),
    *(f"{side}_{noun}" for side in _BETTER for noun in _ANSWERS),
    *(f"{noun}_{side}" for noun in _NOUNS for side in _GOOD),
)
REJECTED = (
    *("rejected", "dispreferred", "worse", "bad", "loser", "response_k"),
    *(f"{side}_{noun}" for side in _BAD for noun in _NOUNS),
    *(f"{side}_{noun}" for side in _WORSE for noun in _ANSWERS),
    *(f"{noun}_{side}" for noun in _NOUNS for side in _BAD),
)
TALKS = ("conversations", "conversation")
FULL = ("messages", "conversations", "conversation", "response", "answer", "completion", "output")
"""Where the better answer stands next to a rejected one alone (ms-swift)."""
PROMPTS = (
    *("prompt", "instruction", "question", "query", "input", "messages", "conversations", "conversation", "context"),
    *("trajectory", "history", "problem", "post", "article", "contents", "user", "info"),
)
LISTS = (
    *("answers", "responses", "completions", "candidates", "ranked_responses", "output", "outputs", "generations"),
    *("summaries", "replies"),
)
INDEXED = ("responses", "completions", "outputs", "generations", "summaries", "replies")
"""Lists of which another column may name the best; the others may be the choices of a question."""
RANK_COLUMNS = ("ranks", "ranking", "rankings", "rank")
SCORE_COLUMNS = ("scores", "ratings", "rewards", "labels", "rating", "score", "annotations")
BEST_COLUMNS = ("best", "chosen", "choice", "winner", "preferred", "selected", "label", "preference", "better")
PAIR_SCORES = ("{side}_score", "score_{side}", "{side}_rating", "rating_{side}", "{side}_reward", "reward_{side}")


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """chosen and rejected under any usual name; or a list of answers with ranks, scores or the index of the best."""
    found = get_readings(columns, rows)
    return found[0][1] if found else None


def get_readings(columns: list[str], rows: list[SourceRow]) -> list[tuple[str, dict[str, str], str]]:
    """What the columns can mean, as key, mapping and reason: several where an index can be counted from 0 or 1."""
    sides = _find_sides(columns, rows)
    mapping = dict(zip(("chosen", "rejected"), sides, strict=True)) if sides else {}
    free = [column for column in columns if column not in mapping.values()]
    prompt = find_column(free, PROMPTS)
    if sides:
        value = first_value(rows, sides[0])
        if prompt and prompt.lower() in TALKS and _is_whole(value) and not is_turns(first_value(rows, prompt)):
            prompt = None  # rounds that repeat the question, with one of the answers (Capybara)
        if prompt:
            mapping["prompt"] = prompt
        elif not (is_turns(value) or (isinstance(value, str) and is_transcript(value))):
            return []
        ways = [(mapping, f"'{sides[0]}' is better than '{sides[1]}'")]
        _add_pair_scores(mapping, free, rows)
    elif candidates := _find_candidates(columns, rows):
        return [
            ("preference", {"candidates": candidates}, f"the last turn of '{candidates}' has answers to choose from")
        ]
    elif prompt:
        ways = _find_ranked([column for column in free if column != prompt], rows, {"prompt": prompt})
    else:
        return []
    for made, _ in ways:
        free = [column for column in free if column not in made.values()]
        for role, names in (("system", SYSTEM), ("tools", ("tools",)), ("margin", ("margin",))):
            if column := find_column(free, names):
                made[role] = column
        context = next((name for name in free if name not in made.values() and _is_context(name, rows)), None)
        if context and "prompt" in made and made["prompt"] != context:
            made["context"] = context
        if made.get("prompt", "").lower() in WITH_INPUT and (extra := find_column(free, ("input",))):
            made["input"] = extra
        if (tie := find_column(free, ("status",))) and TIES & {clean(row.get(tie)) for row in rows if row.get(tie)}:
            made["tie"] = tie
    return [
        (f"preference {number}" if len(ways) > 1 else "preference", made, reason)
        for number, (made, reason) in enumerate(ways, 1)
    ]


def _is_context(column: str, rows: list[SourceRow]) -> bool:
    """Whether a column holds what a question is answered from."""
    hint = get_hint(column)
    value = first_value(rows, column)
    return hint is not None and hint.exact and hint.concept == "context" and value is not None and is_context(value)


def _is_whole(value: object) -> bool:
    """Whether a cell is a conversation from its first question on."""
    turns = parse_list(value)
    return isinstance(turns, list) and is_turns(turns) and len(turns) > 1 and get_role(turns[0].get("role")) == "user"


def explain_refusal(columns: list[str], rows: list[SourceRow], kinds: tuple[str, ...]) -> tuple[str, str] | None:
    """What is missing in rows of a better and a worse answer, and the fix; ``None`` for other rows.

    Whatever the method: a worse answer is never learnt as a text of its own.
    """
    sides = _find_sides(columns, rows)
    if not sides or not any(word in sides[1].lower() for word in _BAD) or get_readings(columns, rows):
        return None
    return (
        f"columns '{sides[0]}' and '{sides[1]}' hold a better and a worse answer, and no column holds their prompt",
        f'name it, data.columns: {{prompt: ..., chosen: "{sides[0]}", rejected: "{sides[1]}"}}, or add a column prompt',
    )


def _find_sides(columns: list[str], rows: list[SourceRow]) -> tuple[str, str] | None:
    """The columns of the better and the worse answer; of a rejected one alone with the column it stands next to."""
    rejected = find_column(columns, REJECTED)
    if not rejected or not _is_answer(first_value(rows, rejected)):
        return None
    chosen = find_column(columns, CHOSEN)
    if chosen and _is_answer(first_value(rows, chosen)):
        return None if _is_flag(rejected, rows) and not _is_flag(chosen, rows) else (chosen, rejected)
    if _is_flag(rejected, rows):
        return None  # it says of the answer next to it whether it was rejected
    others = [column for column in columns if column != rejected]
    for name in FULL:
        column = find_column(others, (name,))
        value = first_value(rows, column) if column else None
        if column and (isinstance(value, str) or (is_turns(value) and len(parse_list(value)) > 1)):
            return column, rejected
    return None


def _is_answer(value: Any) -> bool:
    return isinstance(value, str | list | dict)


def _is_flag(column: str, rows: list[SourceRow]) -> bool:
    """Whether a column says yes or no, good or bad, and holds no answers."""
    values = [row[column] for row in rows if row.get(column) not in (None, "")]
    return len(values) > 3 and all(isinstance(v, str) and is_verdict(v) for v in values) and len(set(values)) <= 3


def _add_pair_scores(mapping: dict[str, str], free: list[str], rows: list[SourceRow]) -> None:
    """The scores of either answer, where there are some: rows that contradict them are an error."""
    for pattern in PAIR_SCORES:
        names = [find_column(free, (pattern.format(side=side),)) for side in ("chosen", "rejected")]
        if names[0] and names[1] and all(get_number(first_value(rows, name)) is not None for name in names if name):
            mapping["chosen_score"], mapping["rejected_score"] = names[0], names[1]
            return


def _find_candidates(columns: list[str], rows: list[SourceRow]) -> str | None:
    """Turns of which the last has several answers with a label each (Amazon Nova)."""
    column = find_column(columns, ("messages",))
    turns = parse_list(first_value(rows, column)) if column else None
    last = turns[-1] if isinstance(turns, list) and turns else None
    return column if isinstance(last, dict) and isinstance(last.get("candidates"), list) else None


def _find_ranked(columns: list[str], rows: list[SourceRow], base: dict[str, str]) -> list[tuple[dict[str, str], str]]:
    """A column of two or more answers whose order is known: they carry ranks or scores, or another column does."""
    for name in LISTS:
        column = find_column(columns, (name,))
        value = parse_list(first_value(rows, column)) if column else None
        if not column or not isinstance(value, list) or len(value) < 2 or not isinstance(value[0], str | dict):
            continue
        made = {**base, "ranked": column}
        free = [other for other in columns if other != column]
        keys = [key for key in (*RANKS, *SCORES, *GOOD_MARKS) if isinstance(value[0], dict) and key in value[0]]
        which = f"which answer of '{column}' is best and which is worst"
        if keys:
            return [(made, f"'{keys[0]}' says {which}")]
        for role, names in (("ranks", RANK_COLUMNS), ("scores", SCORE_COLUMNS)):
            other = find_column(free, names)
            listed = parse_list(first_value(rows, other)) if other else None
            if other and isinstance(listed, list) and len(listed) == len(value) and get_value(listed[0]) is not None:
                return [({**made, role: other}, f"'{other}' says {which}")]
        if name in INDEXED and (best := find_column(free, BEST_COLUMNS)):
            starts = explain_index([(row.get(best), row.get(column)) for row in rows])
            return [
                (
                    made | {"best": best, "first_number": start},
                    f"'{best}' is the best of '{column}', counted from {start}",
                )
                for start in starts
            ]
        older = name == "output" and len(value) == 2  # LLaMA-Factory's [chosen, rejected]
        if isinstance(value[0], str) and (older or name == "ranked_responses"):
            return [(made, f"'{column}' holds the answers from the best to the worst")]
    return []


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """Prompt, chosen and rejected as messages. Of a ranked list the best and the worst.

    Raises:
        LeftOut: the row says that no answer is better.
        ValueError: no prompt, no two answers, or scores that say the opposite.
    """
    if mapping.keys() <= ROLES and "chosen" in mapping and (made := read_quickly(row, mapping)):
        return made
    if "tie" in mapping and clean(row.get(mapping["tie"]) or "") in TIES:
        raise LeftOut("no answer is better: a tie")
    if "candidates" in mapping:
        return _convert_candidates(row, mapping["candidates"])
    if "ranked" in mapping:
        column = mapping["ranked"]
        best, worst = pick_pair(row, mapping)
        return make_pair(row, mapping, read_side(best, column), read_side(worst, column), (column, column))
    names = (mapping["chosen"], mapping["rejected"])
    if "chosen_score" in mapping:
        _check_scores(row, mapping)
    chosen, rejected = (read_side(row.get(name), name) for name in names)
    return make_pair(row, mapping, chosen, rejected, names)


def _check_scores(row: SourceRow, mapping: dict[str, str]) -> None:
    """Raise when the rejected answer has the higher score: which of the two is better is then not known."""
    one, two = (get_number(row.get(mapping[f"{side}_score"])) for side in ("chosen", "rejected"))
    if one is not None and two is not None and one < two:
        raise ValueError(
            f"the rejected answer has the higher score: '{mapping['chosen_score']}' is {one:g}, "
            f"'{mapping['rejected_score']}' is {two:g}"
        )


def _convert_candidates(row: SourceRow, column: str) -> Row:
    """A conversation whose last turn has candidates with ``preferenceLabel``."""
    turns = parse_list(row.get(column))
    if not isinstance(turns, list) or len(turns) < 2:
        raise ValueError(f"column '{column}' holds no turns before the candidates")
    best, worst = get_candidates(turns[-1], column)
    source = {"system": row.get("system"), "prompt": turns[:-1], "tools": row.get("tools")}
    return make_pair(
        source, {"prompt": "prompt"}, read_side([best], column), read_side([worst], column), (column, column)
    )
