"""Preferences: two answers to one prompt, the better and the worse.

As texts, as turns, or as a list with ranks or scores.

Turns of ``chosen`` and ``rejected`` may repeat the prompt (UltraFeedback): what both share in front is the prompt.
"""

from __future__ import annotations

from typing import Any

from gaslamp.data.cells import find_column, first_value, get_optional, parse_list
from gaslamp.data.prompts import drop_marks, read_answer, read_prompt
from gaslamp.data.rows import Message, Row, SourceRow
from gaslamp.data.turns import is_turns

KIND = "preference"
ORDER = 10
EXAMPLE = '{"prompt": "2 + 2?", "chosen": "4", "rejected": "5"}'
REQUIRED = ("chosen", "rejected")
OPTIONAL = ("prompt", "system", "input", "ranked", "ranks", "scores")
CHOSEN = (
    "chosen",
    "chosen_messages",
    "chosen_response",
    "chosen_answer",
    "preferred",
    "better",
    "accepted",
    "response_chosen",
    "preferred_output",
)
REJECTED = (
    "rejected",
    "rejected_messages",
    "rejected_response",
    "rejected_answer",
    "dispreferred",
    "worse",
    "response_rejected",
    "non_preferred_output",
)
PROMPTS = (
    "prompt",
    "instruction",
    "question",
    "query",
    "input",
    "messages",
    "conversations",
    "conversation",
    "context",
)
LISTS = ("answers", "responses", "completions", "candidates", "ranked_responses", "output", "generations")
RANKS, SCORES = ("rank", "ranking", "position"), ("score", "overall_score", "rating", "reward")


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """chosen and rejected under any usual name; or a list of answers with ranks or scores."""
    chosen, rejected, prompt = (
        find_column(columns, CHOSEN),
        find_column(columns, REJECTED),
        find_column(columns, PROMPTS),
    )
    if chosen and rejected:
        mapping = {"chosen": chosen, "rejected": rejected}
        value = first_value(rows, chosen)
        if prompt and prompt not in (chosen, rejected):
            mapping["prompt"] = prompt
        elif not (is_turns(value) or (isinstance(value, str) and "\n\nHuman:" in value)):
            return None
    elif prompt and (ranked := _find_ranked(columns, rows)) and ranked != prompt:
        mapping = {"prompt": prompt, "ranked": ranked}
        for role, names in (
            ("ranks", ("ranks", "ranking", "rankings", "rank")),
            ("scores", ("scores", "ratings", "rewards")),
        ):
            column = find_column(columns, names)
            if column and isinstance(parse_list(first_value(rows, column)), list):
                mapping[role] = column
    else:
        return None
    if system := find_column(columns, ("system", "system_prompt")):
        mapping["system"] = system
    if mapping.get("prompt", "").lower() == "instruction" and (extra := find_column(columns, ("input",))):
        mapping["input"] = extra
    return mapping


def _find_ranked(columns: list[str], rows: list[SourceRow]) -> str | None:
    """A column of two or more answers whose order is known: they carry ranks or scores, or another column does."""
    column = find_column(columns, LISTS)
    value = parse_list(first_value(rows, column)) if column else None
    if not isinstance(value, list) or len(value) < 2:
        return None
    if isinstance(value[0], dict):
        return column if any(key in value[0] for key in (*RANKS, *SCORES)) else None
    ranks = find_column(columns, ("ranks", "ranking", "rankings", "scores", "ratings", "rewards"))
    paired = (
        column is not None and column.lower() == "output" and len(value) == 2
    )  # LLaMA-Factory's older [chosen, rejected]
    return (
        column if isinstance(value[0], str) and (ranks or paired or str(column).lower() == "ranked_responses") else None
    )


def convert(row: SourceRow, mapping: dict[str, str]) -> Row:
    """Prompt, chosen and rejected as messages. Of a ranked list the best and the worst."""
    system = get_optional(row, mapping.get("system", "system"))
    if "ranked" in mapping:
        best, worst = _pick(row, mapping)
        return _finish(
            _read_prompt(row, mapping, system),
            read_answer(best, mapping["ranked"]),
            read_answer(worst, mapping["ranked"]),
            mapping,
        )
    chosen, rejected = row.get(mapping["chosen"]), row.get(mapping["rejected"])
    if "prompt" not in mapping and isinstance(chosen, str) and isinstance(rejected, str) and not is_turns(chosen):
        prompt, good, bad = _read_transcript(chosen, rejected, mapping)
    else:
        prompt = (
            _read_prompt(row, mapping, system)
            if "prompt" in mapping and row.get(mapping["prompt"]) not in (None, "", [])
            else []
        )
        good, bad = read_answer(chosen, mapping["chosen"]), read_answer(rejected, mapping["rejected"])
        shared = 0
        while shared < min(len(good), len(bad)) - 1 and good[shared] == bad[shared]:
            shared += 1
        if shared and good[0]["role"] != "assistant":
            prompt, good, bad = _join(prompt, good[:shared], system), good[shared:], bad[shared:]
    if not prompt:
        raise ValueError(
            f"column '{mapping.get('prompt', mapping['chosen'])}': there is no prompt, and the turns of chosen "
            "and rejected share no beginning"
        )
    return _finish(prompt, good, bad, mapping)


def _finish(prompt: list[Message], chosen: list[Message], rejected: list[Message], mapping: dict[str, str]) -> Row:
    names = {side: mapping.get(side, mapping.get("ranked", side)) for side in ("chosen", "rejected")}
    return {
        "prompt": drop_marks(prompt),
        "chosen": drop_marks(chosen, names["chosen"]),
        "rejected": drop_marks(rejected, names["rejected"]),
    }


def _join(prompt: list[Message], shared: list[Message], system: str | None) -> list[Message]:
    """The prompt when the turns repeat it: once. A prompt that says something else stands in front."""
    own = [turn for turn in prompt if turn["role"] != "system"]
    turns = (
        shared
        if not own or own == [turn for turn in shared if turn["role"] != "system"][-len(own) :]
        else [*own, *shared]
    )
    head = [turn for turn in prompt if turn["role"] == "system"] or (
        [{"role": "system", "content": system}] if system else []
    )
    return turns if turns[0]["role"] == "system" else [*head, *turns]


def _read_prompt(row: SourceRow, mapping: dict[str, str], system: str | None) -> list[Message]:
    turns = read_prompt(row, mapping["prompt"], system)
    extra = get_optional(row, mapping["input"]) if "input" in mapping else None
    if extra:
        turns[-1] = {**turns[-1], "content": f"{turns[-1]['content']}\n\n{extra}"}
    return turns


def _read_transcript(
    chosen: str, rejected: str, mapping: dict[str, str]
) -> tuple[list[Message], list[Message], list[Message]]:
    """Anthropic's transcripts: "\\n\\nHuman: ...\\n\\nAssistant: ..."; all but the last answer is shared."""
    mark = "\n\nAssistant:"
    at, other = chosen.rfind(mark), rejected.rfind(mark)
    if at < 0 or other < 0:
        raise ValueError(
            f"column '{mapping['chosen']}' holds text without a prompt: name the prompt's column in data.columns"
        )
    prompt: list[Message] = []
    for part in chosen[:at].split("\n\nHuman:")[1:]:
        question, *answers = part.split(mark)
        prompt.append({"role": "user", "content": question.removeprefix(" ")})
        prompt += [{"role": "assistant", "content": answer.removeprefix(" ")} for answer in answers]
    good, bad = chosen[at + len(mark) :].removeprefix(" "), rejected[other + len(mark) :].removeprefix(" ")
    return prompt, [{"role": "assistant", "content": good}], [{"role": "assistant", "content": bad}]


def _pick(row: SourceRow, mapping: dict[str, str]) -> tuple[Any, Any]:
    """The best and the worst of a ranked list. A lower rank is better, a higher score is better."""
    column = mapping["ranked"]
    answers = parse_list(row.get(column))
    if not isinstance(answers, list) or len(answers) < 2:
        raise ValueError(f"column '{column}' holds no two answers to compare")
    if isinstance(answers[0], dict):
        key = next((key for key in (*RANKS, *SCORES) if key in answers[0]), None)
        values = [answer.get(key) if isinstance(answer, dict) else None for answer in answers]
        lower_is_better = key in RANKS
        texts = [_get_answer(answer, column) for answer in answers]
    else:
        ranks = mapping.get("ranks") or mapping.get("scores")
        values = parse_list(row.get(ranks)) if ranks else list(range(len(answers)))
        lower_is_better = "scores" not in mapping or "ranks" in mapping
        texts = answers
    if (
        not isinstance(values, list)
        or len(values) != len(answers)
        or not all(isinstance(value, int | float) for value in values)
    ):
        raise ValueError(f"column '{column}': not every answer has a rank or score")
    order = sorted(range(len(answers)), key=lambda number: values[number] if lower_is_better else -values[number])
    if values[order[0]] == values[order[-1]]:
        raise ValueError(f"column '{column}': all answers have the same rank or score")
    return texts[order[0]], texts[order[-1]]


def _get_answer(answer: Any, column: str) -> Any:
    for key in ("answer", "response", "text", "content", "completion", "output"):
        if isinstance(answer, dict) and answer.get(key):
            return answer[key]
    raise ValueError(f"column '{column}': an answer has no text")
