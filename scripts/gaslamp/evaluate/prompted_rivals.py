"""Rivals of the tuned model that ask the base model in a better way: with training rows in the prompt, or with the
wanted format in words.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_jsonl
from gaslamp.data.rows import Message, Row, get_answer, get_images, get_prompt, get_reference
from gaslamp.evaluate.baselines import Rival
from gaslamp.evaluate.default_metrics import MAX_CLASSES, recognize_answers
from gaslamp.evaluate.predictions import Prediction
from gaslamp.evaluate.prompts import EvalPrompt
from gaslamp.evaluate.training_rows import TrainingRows

Measure = Callable[[list[Message], list[JsonObject] | None], int]
"""(messages, tools) -> tokens of the prompt."""
TITLES = {
    "few_shot": "few-shot prompting of the base model",
    "format": "a prompt that states the format",
}
SKIPPED = "skipped"  # kind of the only line of a file whose rival was not run; its text says why
CONTEXT = 2048  # tokens of a model that does not say how many it reads


def choose_shots(training: TrainingRows, count: int) -> list[Row]:
    """Training rows to show, the same in every run: spread over the classes where there are some, else over the file.

    Args:
        training: rows of the task.
        count: how many; fewer when there are not so many with an answer.
    """
    answered = [row for row in training.sample if get_reference(row) and not get_images(get_prompt(row))]
    if not 2 <= len(training.answers) <= MAX_CLASSES:
        step = max(1, len(answered) // max(1, count))
        return answered[::step][:count]
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in answered:
        groups[(get_reference(row) or "").strip()].append(row)
    order = [name for name, _ in Counter({name: len(some) for name, some in groups.items()}).most_common()]
    longest = max((len(some) for some in groups.values()), default=0)
    turns = [groups[name][place] for place in range(longest) for name in order if place < len(groups[name])]
    return turns[:count]


def describe_format(training: TrainingRows) -> str:
    """One instruction that says what the training answers look like; empty when there are none."""
    references = [text for row in training.sample if (text := get_reference(row))]
    if not references:
        return ""
    kind = recognize_answers(references)
    if kind == "json":
        values = [json.loads(text) for text in references[:200]]
        keys = dict.fromkeys(key for value in values if isinstance(value, dict) for key in value)
        named = f", with the keys {', '.join(keys)}" if keys else ""
        return f"Answer with JSON and nothing else{named}."
    if kind == "classes":
        names = ", ".join(sorted({text.strip() for text in references}))
        return f"Answer with one of these and nothing else: {names}."
    if kind == "numbers":
        return "Answer with the number and nothing else."
    words = sorted(len(text.split()) for text in references)[len(references) // 2]
    return f"Answer in about {words} {'word' if words == 1 else 'words'}, without an introduction."


def make_prompts(
    name: str, prompts: list[EvalPrompt], training: TrainingRows, count: int, context: int | None, measure: Measure
) -> tuple[list[EvalPrompt], str]:
    """The prompts of one rival, and its title; no prompts and the reason when it cannot be prompted.

    Args:
        name: few_shot or format.
        prompts: of the base model, one for each test row.
        training: rows of the task.
        count: training rows to show.
        context: tokens that the model reads.
        measure: how long a prompt is.
    """
    if any(get_images(prompt.messages) for prompt in prompts):
        return [], "rows with pictures are not shown as examples"
    if name == "format":
        text = describe_format(training)
        if not text:
            return [], "no training row has an answer whose format could be stated"
        return [replace(prompt, messages=_add_system(prompt.messages, text)) for prompt in prompts], TITLES[name]
    shots = choose_shots(training, count)
    longest = max(prompts, key=lambda prompt: measure(prompt.messages, prompt.tools))
    room = (context or CONTEXT) - longest.max_tokens
    while shots and measure(_show(longest.messages, shots), longest.tools) > room:
        shots = shots[:-1]
    if not shots:
        return [], "no training row fits into the prompt" if training.count else "no training row has an answer"
    rows = "row" if len(shots) == 1 else "rows"
    title = f"{TITLES[name]} with {len(shots)} training {rows}"
    return [replace(prompt, messages=_show(prompt.messages, shots)) for prompt in prompts], title


def _show(messages: list[Message], shots: list[Row]) -> list[Message]:
    """The system turn, the training rows as earlier turns, then the question."""
    own = [message for message in messages if message["role"] == "system"]
    examples: list[Message] = []
    for row in shots:
        turns = [*get_prompt(row), get_answer(row) or {}]
        if not own:  # the first question gets the system turn of the training rows
            own = [message for message in turns if message.get("role") == "system"][:1]
        examples += [
            {key: value for key, value in message.items() if key != "train"}
            for message in turns
            if message.get("role") != "system"
        ]
    return [*own, *examples, *(message for message in messages if message["role"] != "system")]


def _add_system(messages: list[Message], text: str) -> list[Message]:
    """The instruction at the end of the last user turn: not every template knows a system turn."""
    places = [n for n, message in enumerate(messages) if message["role"] == "user"]
    if not places:
        return [*messages, {"role": "user", "content": text}]
    changed = [dict(message) for message in messages]
    last = changed[places[-1]]
    if isinstance(last["content"], str):
        last["content"] = f"{last['content']}\n\n{text}"
    return changed


def read_rivals(files: dict[str, Path], rows: list[Row]) -> list[Rival]:
    """Rivals from their predictions files; one that was not run has the reason.

    Args:
        files: name -> predictions file.
        rows: test rows.

    Raises:
        GaslampError: a test row has no prediction.
    """
    found = []
    for name, file in files.items():
        lines = list(read_jsonl(file))
        first = lines[0] if lines else {"kind": SKIPPED, "text": "its file is empty"}
        title = str(first.get("title", TITLES[name]))
        if first["kind"] == SKIPPED:
            found.append(Rival(name, title, [], reason=str(first["text"])))
            continue
        known = {line["id"]: cast("Prediction", line) for line in lines}
        if missing := [row["id"] for row in rows if row["id"] not in known]:
            raise GaslampError(
                f"{file} has no prediction for {len(missing)} test rows", f"delete {file} and run the same command"
            )
        found.append(Rival(name, title, [known[row["id"]] for row in rows]))
    return found
