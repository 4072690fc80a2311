"""A prompt and its completion, under any of the usual names; TRL's lists of messages too.

Several columns may form the prompt (subject and body of a mail): they are joined with their names as labels. A
context stands above the question, earlier rounds in front of it, reasoning in front of the answer.
"""

from __future__ import annotations

import re
from typing import Any

from gaslamp.core.files import JsonObject
from gaslamp.data.borders import ROLES as BORDERS
from gaslamp.data.borders import find_borders, strip_borders
from gaslamp.data.cells import find_column, first_value, get_optional, get_text, parse_list, to_text
from gaslamp.data.comparing import trim_continued
from gaslamp.data.meaning.names import get_hint, normalize
from gaslamp.data.passages import is_context, put_context
from gaslamp.data.prompts import is_message, put_reasoning, read_answer, read_history, read_prompt
from gaslamp.data.rows import LeftOut, Message, Row, SourceRow
from gaslamp.data.several import TAKE, take_answer
from gaslamp.data.transcripts import OPENINGS, is_transcript
from gaslamp.data.turns import get_role, is_turns

KIND = "conversation"
ORDER = 50
EXAMPLE = '{"prompt": "Two teas for Ana", "completion": "{\\"customer\\": \\"Ana\\"}"}'
REQUIRED = ("prompt", "completion")
OPTIONAL = (
    "system",
    "context",
    "reasoning",
    "history",
    "prompt_else",
    "prompt_end",
    "completion_start",
    "completion_end",
    "take",
)
READ_ANYWAY = ()
SEVERAL = ("prompt",)  # roles that take a list of columns
ANSWERS = ("completion", "response", "answer", "output", "generation", "chosen_response")
TURNS = ("messages", "conversations", "conversation")
"""Columns of turns, which are a prompt when they end without an answer."""
PAIRS = (
    *(("prompt", name) for name in ANSWERS),
    *(
        ("question", name)
        for name in ("answer", "response", "completion", "output", "explanation", "solution", "answers")
    ),
    *(("query", name) for name in ("response", "answer", "completion", "output")),
    *(("instruction", name) for name in ("completion", "answer", "response")),
    ("front", "back"),  # Anki
    ("question", "query"),  # Spider: the query is SQL
    *((name, "code") for name in ("prompt", "question", "task", "instruction", "problem")),
    ("problem", "generated_solution"),
    ("problem", "solution"),
    ("problem", "answer"),
    ("input", "output"),
    ("input", "target"),
    ("input", "expected_output"),
    ("input", "expected"),
    ("input", "ideal"),  # OpenAI's evals
    ("prompt", "ideal"),
    ("question", "ideal"),
    ("inputs", "targets"),
    ("source", "target"),
    ("src", "tgt"),
    ("article", "summary"),
    ("article", "highlights"),
    ("document", "summary"),
    ("dialogue", "summary"),
    ("message_1", "message_2"),
    ("user", "assistant"),
    ("human", "assistant"),
    ("human", "bot"),
    ("request", "response"),
    ("post", "reply"),
    ("rewritten_intent", "snippet"),  # CoNaLa
    ("intent", "snippet"),
    ("text", "label"),
    ("text", "output"),
    ("text", "summary"),
    ("text", "code"),
    ("sentence", "label"),
    ("content", "summary"),
    ("prompt", "text"),
    *((turns, name) for turns in TURNS for name in ANSWERS),
)
_ONE_CONTEXT = ("context", "article", "passage", "document", "paragraph", "story")
CONTEXTS = ("contexts", *_ONE_CONTEXT, "evidence", *(f"{name}s" for name in _ONE_CONTEXT[2:5]))
QUESTIONS = ("question", "query", "prompt", "problem", "input", "user", "request")
"""Prompts that a context stands in front of."""
HISTORY = ("history",)
SQL = re.compile(r"\s*(select|with|insert|update|delete|create)\b", re.IGNORECASE)


def detect(columns: list[str], rows: list[SourceRow]) -> dict[str, str] | None:
    """The first pair of names that both stand in the file, whatever their case."""
    for names in PAIRS:
        prompt, completion = (find_column(columns, (name,)) for name in names)
        if names[1] == "query" and not SQL.match(str(first_value(rows, completion or ""))):
            continue
        if prompt and completion and (names[0] not in TURNS or is_open(first_value(rows, prompt))):
            mapping = {"prompt": prompt, "completion": completion}
            for role, usual in (("system", ("system", "system_prompt")), ("history", HISTORY)):
                if (found := find_column(columns, usual)) and found not in mapping.values():
                    mapping[role] = found
            thoughts = find_thoughts([column for column in columns if column not in mapping.values()], rows)
            if len(thoughts) == 1:  # of several each may belong to another answer
                mapping["reasoning"] = thoughts[0]
            context = find_column([column for column in columns if column not in mapping.values()], CONTEXTS)
            if context and names[0] in QUESTIONS and is_context(first_value(rows, context)):
                mapping["context"] = context
            if names == ("rewritten_intent", "snippet") and (plain := find_column(columns, ("intent",))):
                mapping["prompt_else"] = plain
            if names[0] == "prompt":
                mapping |= find_borders(rows, prompt, completion)
            return mapping
    return None


def is_open(value: object) -> bool:
    """Whether a prompt waits for an answer: a text, or turns that do not end with one."""
    turns = parse_list(value)
    if not is_turns(turns):
        return True
    last = turns[-1]
    return isinstance(last, dict) and get_role(last.get("role", last.get("from"))) != "assistant"


def find_thoughts(columns: list[str], rows: list[SourceRow]) -> list[str]:
    """The columns of reasoning in words: by their whole name, else by a word of it."""
    hints = {column: get_hint(column) for column in columns}
    named = [column for column, hint in hints.items() if hint and hint.concept == "reasoning"]
    # s1K has an empty column cot and one called cot_type next to the one with the thoughts
    found = [column for column in named if holds_thoughts(rows, column) and not normalize(column).endswith(_ASIDE)]
    exact = [column for column in found if (hint := hints[column]) and hint.exact]
    return exact[:1] or found


_ASIDE = ("_type", "_length", "_tokens", "_model", "_score", "_id")


def holds_thoughts(rows: list[SourceRow], column: str) -> bool:
    """Whether a column holds reasoning in words: it is not empty, and not whether or how much there was (on, high)."""
    values = [row[column] for row in rows if row.get(column) not in (None, "", [])]
    worded = sum(isinstance(value, list) or " " in str(value).strip() or len(str(value)) > 12 for value in values)
    return 2 * worded > len(values)


def convert(row: SourceRow, mapping: JsonObject) -> Row:
    """One user turn and one answer, with what belongs to either.

    Raises:
        LeftOut: an answer that SQuAD leaves open.
        ValueError: a cell is empty.
    """
    prompt, completion = mapping["prompt"], mapping["completion"]
    if "prompt_else" in mapping:
        other, mapping = mapping["prompt_else"], {key: name for key, name in mapping.items() if key != "prompt_else"}
        prompt = prompt if get_optional(row, prompt) else other
        mapping["prompt"] = prompt
    if any(role in mapping for role in BORDERS):
        row = strip_borders(row, mapping)
        mapping = {role: name for role, name in mapping.items() if role not in BORDERS}
    if TAKE in mapping:
        row = {**row, completion: take_answer(row.get(completion), completion, mapping[TAKE])}
        mapping = {role: name for role, name in mapping.items() if role != TAKE}
    if len(mapping) > 2 + ("system" in mapping) or type(prompt) is list:
        return _convert_more(row, mapping)
    system = get_optional(row, mapping["system"]) if "system" in mapping else None
    question, answer = row.get(prompt), row.get(completion)
    if (
        type(question) is str
        and type(answer) is str
        and not question.startswith(_JSON)
        and not answer.startswith(_JSON)
        and not is_transcript(question)
    ):
        if not question or question.isspace():
            raise ValueError(f"column '{prompt}' is empty")
        if not answer or answer.isspace():
            raise ValueError(f"column '{completion}' is empty")
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return {"messages": [{"role": "system", "content": system}, *turns] if system else turns}
    turns = read_prompt(row, prompt, system)
    return {"messages": [*turns, *trim_continued(_read_completion(row, completion), row, mapping)]}


def find_pairs(rows: list[SourceRow], mapping: JsonObject) -> list[tuple[str, str] | None]:
    """Question and answer of each row for which ``convert`` would take two cells of text as they are, else None.

    The fast way for nearly every row of a large file; what might be more than plain text is left to ``convert``.
    """
    prompt, completion = mapping["prompt"], mapping["completion"]
    if len(mapping) > 2 or type(prompt) is list:
        return [None] * len(rows)
    cells = [(row.get(prompt), row.get(completion)) for row in rows]
    return [
        (question, answer)
        if type(question) is str
        and type(answer) is str
        and question
        and answer
        and not question.startswith(_MAY_BE_MORE)
        and not answer.startswith(_JSON)
        and question[-1] != ":"
        and not question[-1].isspace()
        and not answer.isspace()
        else None
        for question, answer in cells
    ]


_JSON = ("[", "{")
_MAY_BE_MORE = (*_JSON, *OPENINGS)


def _convert_more(row: SourceRow, mapping: dict[str, Any]) -> Row:
    """A row with more than a prompt and a completion."""
    prompt = mapping["prompt"]
    system = get_optional(row, mapping["system"]) if "system" in mapping else None
    messages = read_prompt(row, prompt, system)
    messages = put_context(messages, row, mapping.get("context"))
    if "history" in mapping:
        messages[-1:-1] = read_history(row.get(mapping["history"]), mapping["history"])
    answer = trim_continued(_read_completion(row, mapping["completion"]), row, mapping)
    if "reasoning" in mapping and (thought := _read_thought(row, mapping["reasoning"])):
        answer[-1] = put_reasoning(answer[-1], thought)
    return {"messages": [*messages, *answer]}


def _read_thought(row: SourceRow, column: str) -> str | None:
    """The reasoning of a row; the steps of a list stand below each other."""
    steps = parse_list(row.get(column))
    if isinstance(steps, list) and all(isinstance(step, str) for step in steps):
        return "\n\n".join(steps) or None
    return get_optional(row, column)


def _read_completion(row: SourceRow, column: str) -> list[Message]:
    """The answer; of SQuAD's {text: [...], answer_start: [...]} and of a list of equal answers the first text."""
    value = row.get(column)
    parsed = parse_list(value)
    if is_turns(parsed) or is_message(parsed):
        return read_answer(parsed, column)
    if isinstance(parsed, dict) and "answer_start" in parsed and "text" in parsed:
        texts = parsed["text"] if isinstance(parsed["text"], list) else [parsed["text"]]
        if not texts:
            raise LeftOut(f"column '{column}' has no answer: the context does not hold one")
        return [{"role": "assistant", "content": to_text(texts[0])}]
    if isinstance(parsed, dict) and "aliases" in parsed and isinstance(parsed.get("value"), str):  # TriviaQA
        return [{"role": "assistant", "content": parsed["value"]}]
    return [{"role": "assistant", "content": get_text(row, column)}]
