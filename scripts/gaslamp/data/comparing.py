"""What rows of compared and rated answers share: the question, its tools, and where the answers begin."""

from __future__ import annotations

from gaslamp.core.files import JsonObject
from gaslamp.data.calls import read_tools
from gaslamp.data.cells import get_optional, parse_list, to_text
from gaslamp.data.passages import put_context
from gaslamp.data.prompts import check_marks, drop_marks, put_system, read_answer, read_prompt, read_system
from gaslamp.data.rows import Message, Row, SourceRow
from gaslamp.data.transcripts import is_transcript, split_transcript
from gaslamp.data.turns import is_turns, read_turns
from gaslamp.data.verdicts import get_number

BODIES = ("full_text", "post", "article", "document", "text", "question", "prompt", "instruction", "content")
"""Where the words of a question stand that is an object: WebGPT, OpenAI's summaries of posts and articles."""

WORDS = ("answer", "response", "text", "content", "completion", "output", "summary", "body")
"""Where the text of an answer stands that is an object."""
ANSWER_KEYS = frozenset((*WORDS, "model", "score", "rating", "rank", "reward", "id", "policy", "note"))
SYSTEM = ("system", "system_prompt", "system_message", "systeminstruction", "system_instruction")
WITH_INPUT = ("instruction", "prompt", "task", "question")
"""Columns to which a column ``input`` belongs (Alpaca)."""


def read_question(row: SourceRow, mapping: JsonObject) -> list[Message]:
    """The messages before the answers: of the column ``prompt``, with ``system`` and ``input`` where there are some.

    A cell may be text, a transcript, turns, an object that holds turns (OpenAI's ``input``) or words (WebGPT), or a
    list of texts, user and assistant in turn. Empty without a column or a value.

    Raises:
        ValueError: names the column that holds none of these.
    """
    system = read_system(row, mapping.get("system", "system"))
    column = mapping.get("prompt")
    if isinstance(column, list):
        return read_prompt(row, column, system)
    if column is None or row.get(column) in (None, "", [], {}):
        return []
    turns = put_context(_read_cell(row, column, system), row, mapping.get("context"))
    extra = get_optional(row, mapping["input"]) if "input" in mapping else None
    if extra and not extra.isspace():
        turns[-1] = {**turns[-1], "content": f"{turns[-1]['content']}\n\n{extra}"}
    return turns


def _read_cell(row: SourceRow, column: str, system: str | None) -> list[Message]:
    value = row[column]
    parsed = parse_list(value)
    if isinstance(parsed, dict) and is_turns(parsed.get("messages")):
        return put_system(read_turns(parsed["messages"], f"{column}.messages"), system)
    if isinstance(value, list) and value and all(isinstance(text, str) for text in value):
        return put_system(alternate(value), system)
    if isinstance(parsed, dict) and (key := next((key for key in BODIES if isinstance(parsed.get(key), str)), None)):
        title = parsed.get("title")
        words = f"{title}\n\n{parsed[key]}" if isinstance(title, str) and title.strip() else parsed[key]
        return read_prompt({column: words}, column, system)
    return read_prompt(row, column, system)


def alternate(texts: list[str]) -> list[Message]:
    """Texts of user and assistant in turn as messages."""
    return [{"role": "assistant" if number % 2 else "user", "content": text} for number, text in enumerate(texts)]


def read_row_tools(row: SourceRow, mapping: JsonObject) -> list[JsonObject]:
    """The tools of a row: of its column, or of the object in its column ``prompt`` (OpenAI's ``input``).

    Raises:
        ValueError: they are no list of tools.
    """
    column = mapping.get("tools", "tools")
    places = [(column, row.get(column))]
    named = mapping.get("prompt", "")
    prompt = parse_list(row.get(named)) if isinstance(named, str) else None
    if isinstance(prompt, dict):
        places += [(f"{mapping['prompt']}.{name}", prompt.get(name)) for name in ("tools", "functions")]
    for place, value in places:
        if value not in (None, [], "[]", {}) and not (isinstance(value, str) and not value.strip()):
            return read_tools(value, place)
    return []


def read_side(value: object, column: str) -> list[Message]:
    """The messages of one answer, or of a conversation that ends with it: text, a transcript, a turn, or turns.

    Raises:
        ValueError: the cell is empty, or holds several answers.
    """
    if isinstance(value, str) and is_transcript(value):
        return split_transcript(value)
    if isinstance(value, list) and value and all(isinstance(text, str) for text in value):
        if len(value) > 1:
            raise ValueError(f"column '{column}' holds {len(value)} answers in a list: keep one of them in each row")
        value = value[0]
    if (
        isinstance(value, dict)
        and set(value) <= ANSWER_KEYS
        and (words := [value[key] for key in WORDS if value.get(key)])
    ):
        value = words[0]
    return read_answer(value, column)


def find_border(
    prompt: list[Message], first: list[Message], second: list[Message], system: str | None = None
) -> tuple[list[Message], list[Message], list[Message]]:
    """The whole prompt, and of each side the answer alone: what both sides share in front belongs to the prompt.

    Args:
        prompt: of a column of its own; empty when there is none.
        first, second: of each side the answer, or the conversation that ends with it; where one side is a
            conversation and the other its answer alone, the conversation has the prompt.
        system: of a column.
    """
    whole = [side for side in (first, second) if side[0]["role"] != "assistant"]
    if len(whole) == 1 and len(whole[0]) > 1:
        prompt = _join(prompt, whole[0][:-1], system)
        return prompt, first[-1:] if whole[0] is first else first, second[-1:] if whole[0] is second else second
    shared = 0
    while shared < min(len(first), len(second)) - 1 and first[shared] == second[shared]:
        shared += 1
    if shared and first[0]["role"] != "assistant":
        prompt, first, second = _join(prompt, first[:shared], system), first[shared:], second[shared:]
    return prompt, first, second


def _join(prompt: list[Message], shared: list[Message], system: str | None) -> list[Message]:
    """The prompt when the turns of the answers repeat it: once. A prompt that says something else stands in front."""
    own = [turn for turn in prompt if turn["role"] != "system"]
    turns = [turn for turn in shared if turn["role"] != "system"]
    merged = shared if _holds(turns, own) else prompt if _holds(own, turns) else [*own, *shared]
    head = [turn for turn in prompt if turn["role"] == "system"] or (
        [{"role": "system", "content": system}] if system else []
    )
    return merged if merged[0]["role"] == "system" else [*head, *merged]


def _holds(turns: list[Message], part: list[Message]) -> bool:
    """Whether ``part`` stands in ``turns``, one turn behind the other."""
    return any(turns[start : start + len(part)] == part for start in range(len(turns) - len(part) + 1))


def trim_continued(answer: list[Message], row: SourceRow, mapping: JsonObject) -> list[Message]:
    """An answer without the space in front that belongs to the ``Assistant:`` at the end of its prompt."""
    named = mapping.get("prompt", "")
    prompt = row.get(named) if isinstance(named, str) else None
    first = answer[0]
    if isinstance(prompt, str) and is_transcript(prompt) and isinstance(first["content"], str):
        return [{**first, "content": first["content"].removeprefix(" ")}, *answer[1:]]
    return answer


def make_pair(
    row: SourceRow, mapping: JsonObject, chosen: list[Message], rejected: list[Message], names: tuple[str, str]
) -> Row:
    """A preference row.

    Args:
        row, mapping: where question, system text and tools stand.
        chosen, rejected: of each side the answer, or the conversation that ends with it.
        names: of the columns of either, for messages.

    Raises:
        ValueError: there is no prompt, or an answer is marked as not learnt.
    """
    system = read_system(row, mapping.get("system", "system"))
    chosen, rejected = trim_continued(chosen, row, mapping), trim_continued(rejected, row, mapping)
    prompt, chosen, rejected = find_border(read_question(row, mapping), chosen, rejected, system)
    if not prompt:
        raise ValueError(
            f"columns '{names[0]}' and '{names[1]}' do not begin with the same prompt, and no column holds one"
        )
    result: Row = {
        "prompt": drop_marks(prompt),
        "chosen": check_marks(chosen, names[0]),
        "rejected": check_marks(rejected, names[1]),
    }
    if tools := read_row_tools(row, mapping):
        result["tools"] = tools
    if "margin" in mapping:
        margin = get_number(row.get(mapping["margin"]))
        if margin is None:
            raise ValueError(
                f"column '{mapping['margin']}' holds {show(row.get(mapping['margin']))}, which is no number"
            )
        result["margin"] = margin
    return result


def show(value: object) -> str:
    """A cell for a message: as text, at most 60 letters."""
    text = to_text(value) if value is not None else "nothing"
    return text if len(text) <= 60 else text[:59] + "…"
