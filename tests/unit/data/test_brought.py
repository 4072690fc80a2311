"""Tables and rows that people brought: what is learnt of the first row, or which readings are offered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.core import registry
from gaslamp.data.meaning import decide
from gaslamp.data.sample import read_sample
from gaslamp.data.sources import open_source

Rows = list[dict[str, Any]]
WORDS = "a few words that a person would write about"
NUMBERS = range(12)


def ask(number: int) -> str:
    return f"What of {WORDS} hall {number}?"


def say(number: int) -> str:
    return f"So {WORDS} hall {number}"


def judge(question: str, answer: str, verdict: str, *values: str) -> Rows:
    return [{question: ask(n), answer: say(n), verdict: values[n % len(values)]} for n in NUMBERS]


JUDGED = {  # what says whether an answer is good, and the first value that does
    "russian": (judge("вопрос", "ответ", "оценка", "хорошо", "плохо"), "хорошо"),
    "polish": (judge("pytanie", "odpowiedź", "poprawna", "tak", "nie"), "tak"),
    "turkish": (judge("soru", "cevap", "puan", "1", "2", "3", "4", "5"), "of 4 or more"),
    "korean": (judge("질문", "답변", "평가", "좋음", "나쁨"), "좋음"),
    "spanish": (judge("pregunta", "respuesta", "calidad", "buena", "mala", "regular"), "buena"),
    "status": (judge("prompt", "response", "review_status", "approved", "needs work", "rejected"), "approved"),
}  # fmt: skip


@pytest.mark.parametrize("name", JUDGED)
def test_verdicts_of_other_languages_are_a_question(name: str) -> None:
    rows, good = JUDGED[name]
    meaning = decide(rows, kinds=("conversation",))
    assert not meaning.certain and [reading.key for reading in meaning.readings] == ["good", "all", "rate"]
    assert meaning.readings[0].reason == f"rows with '{list(rows[0])[2]}' {good} are learnt, the others left out"


def test_a_verdict_in_a_language_that_nobody_knows_is_a_question() -> None:
    """Question and answer together were learnt as the text, the verdict as its class."""
    assert not decide(judge("kysymys", "vastaus", "arvio", "kelpaa", "ei kelpaa"), kinds=("conversation",)).certain


ANSWERED: dict[str, tuple[Rows, str]] = {  # the column or the columns that are read, and the one that is learnt
    "annotators": (
        [{"text": say(n), "label": ("spam", "ham")[n % 2], "annotator": f"a{n % 3}"} for n in NUMBERS], "text > label",
    ),
    "resumes": (
        [{"ID": n, "Resume_str": say(n), "Category": ("HR", "IT", "Chef")[n % 3]} for n in NUMBERS],
        "Resume_str > Category",
    ),
    "reference": (
        [{"user_input": ask(n), "reference_answer": say(n)} for n in NUMBERS], "user_input > reference_answer",
    ),
    "thoughts of a model": (
        [{"problem": ask(n), "deepseek_reasoning": f"Hm, {say(n)}", "deepseek_solution": say(n)} for n in NUMBERS],
        "problem > deepseek_solution, reasoning deepseek_reasoning",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERED)
def test_what_is_learnt(name: str) -> None:
    rows, wanted = ANSWERED[name]
    meaning = decide(rows, kinds=("conversation",))
    mapping = meaning.reading.mapping
    found = f"{mapping['prompt']} > {mapping['completion']}"
    found += f", reasoning {mapping['reasoning']}" if "reasoning" in mapping else ""
    assert meaning.certain and found == wanted


def test_the_body_of_an_answer_is_an_answer() -> None:
    rows = [{"Title": ask(n), "Body": say(n), "AcceptedAnswerBody": f"Try {say(n)}"} for n in NUMBERS]
    assert decide(rows, kinds=("conversation",)).reading.mapping["completion"] == "AcceptedAnswerBody"


@pytest.mark.parametrize(("name", "cells"), [("Datum", "2026-05-{:02}"), ("output_text", "AB-{}")])
def test_a_date_or_a_code_may_be_the_answer(name: str, cells: str) -> None:
    """No column was left to learn: the error proposed methods with rewards, or found no format."""
    rows = [{"Frage": ask(n), name: cells.format(n + 1)} for n in NUMBERS]
    meaning = decide(rows, kinds=("conversation",))
    assert not meaning.certain and meaning.reading.mapping == {"prompt": "Frage", "completion": name}


TURNS = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
CHANNELS = [
    {"role": "user", "content": "2 + 2?"},
    {"role": "assistant", "channel": "analysis", "content": "two and two"},
    {"role": "assistant", "channel": "final", "content": "4"},
]


@pytest.mark.parametrize(
    ("name", "text", "learnt"),
    [
        ("a.json", json.dumps([TURNS] * 4), "Hello"),
        ("a.jsonl", "\n".join([json.dumps(TURNS)] * 4), "Hello"),
        ("b.jsonl", "\n".join([json.dumps({"messages": CHANNELS})] * 4), "<think>\ntwo and two\n</think>\n\n4"),
        ("c.jsonl", "\n".join(json.dumps({"prompt": f"Is {n} even?", "completion": " yes"}) for n in NUMBERS), "yes"),
    ],
    ids=["lists of turns", "a list in each line", "channels", "a space in front of each answer"],
)
def test_rows_of_other_shapes(tmp_path: Path, name: str, text: str, learnt: str) -> None:
    (tmp_path / name).write_text(text)
    rows = read_sample(open_source(Config.model_validate({"data": {"source": str(tmp_path / name)}}).data), [])
    reading = decide(rows, kinds=("conversation",)).reading
    converted = registry.get("formats", reading.format).convert(rows[0], reading.mapping)
    assert (converted.get("messages") or converted["completion"])[-1]["content"] == learnt


def test_rounds_next_to_whole_conversations() -> None:
    """Capybara's preferences: the rounds hold the question and one of the answers, chosen and rejected all of it."""

    def turns(answer: str) -> Rows:
        return [{"role": "user", "content": ask(1)}, {"role": "assistant", "content": answer}]

    rows = [
        {"conversation": [{"input": ask(1), "output": "a"}], "chosen": turns("a"), "rejected": turns("b")}
        for _ in NUMBERS
    ]
    reading = decide(rows, kinds=("preference",)).reading
    row = registry.get("formats", "preference").convert(rows[0], reading.mapping)
    assert [row[key] for key in ("prompt", "chosen", "rejected")] == [turns("a")[:1], turns("a")[1:], turns("b")[1:]]
