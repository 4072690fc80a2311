"""Two columns: what is asked and what is answered, under any of the usual names; TRL's lists of messages too."""

from __future__ import annotations

from typing import Any

from gaslamp.data.cells import find_column, first_value, get_optional, get_text, is_turns, read_answer, read_prompt
from gaslamp.data.rows import Row

KIND = "conversation"
ORDER = 50
EXAMPLE = '{"prompt": "Two teas for Ana", "completion": "{\\"customer\\": \\"Ana\\"}"}'
REQUIRED = ("prompt", "completion")
OPTIONAL = ("system", "context")
ANSWERS = ("completion", "response", "answer", "output", "generation", "chosen_response")
PAIRS = (
    *(("prompt", name) for name in ANSWERS),
    *(
        ("question", name)
        for name in ("answer", "response", "completion", "output", "explanation", "solution", "answers")
    ),
    *(("query", name) for name in ("response", "answer", "completion", "output")),
    *(("instruction", name) for name in ("completion", "answer", "response")),
    ("problem", "solution"),
    ("problem", "answer"),
    ("input", "output"),
    ("input", "target"),
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
    ("text", "label"),
    ("text", "output"),
    ("text", "summary"),
    ("sentence", "label"),
    ("content", "summary"),
    ("prompt", "text"),
)
CONTEXTS = ("context", "article", "passage")


def detect(columns: list[str], rows: list[dict[str, Any]]) -> dict[str, str] | None:
    """The first pair of names that both stand in the file, whatever their case."""
    for names in PAIRS:
        prompt, completion = (find_column(columns, (name,)) for name in names)
        if prompt and completion:
            mapping = {"prompt": prompt, "completion": completion}
            if system := find_column(columns, ("system", "system_prompt")):
                mapping["system"] = system
            context = find_column(columns, CONTEXTS)
            if context and names[0] == "question" and isinstance(first_value(rows, context), str):
                mapping["context"] = context
            return mapping
    return None


def convert(row: dict[str, Any], mapping: dict[str, str]) -> Row:
    """One user turn (below its context, when there is one) and one answer."""
    prompt, completion = mapping["prompt"], mapping["completion"]
    system = get_optional(row, mapping["system"]) if "system" in mapping else None
    asked, answer = row.get(prompt), row.get(completion)
    if (
        type(asked) is str
        and type(answer) is str
        and asked[:1] not in _JSON
        and answer[:1] not in _JSON
        and "context" not in mapping
    ):
        if not asked or asked.isspace():
            raise ValueError(f"column '{prompt}' is empty")
        if not answer or answer.isspace():
            raise ValueError(f"column '{completion}' is empty")
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
        return {"messages": [{"role": "system", "content": system}, *turns] if system else turns}
    messages = read_prompt(row, prompt, system)
    if "context" in mapping and (context := get_optional(row, mapping["context"])):
        messages[-1] = {**messages[-1], "content": f"{context}\n\n{messages[-1]['content']}"}
    if is_turns(answer):
        return {"messages": [*messages, *read_answer(answer, completion)]}
    return {"messages": [*messages, {"role": "assistant", "content": get_text(row, completion)}]}


_JSON = ("[", "{")
