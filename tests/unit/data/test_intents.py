"""intents.json of chatbots: what people say becomes rows, and whether intent or answer is learnt is a question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.data.meaning import decide
from gaslamp.data.sample import read_sample
from gaslamp.data.sources import open_source

INTENTS: list[dict[str, Any]] = [
    {
        "tag": f"intent {n}",
        "patterns": [f"Where is hall {n}{side}?" for side in "abc"],
        "responses": [f"Left of {n}", f"Up at {n}"],
        "context_set": "",
    }
    for n in range(6)
]
SILENT = {"tag": "fallback", "patterns": [], "responses": ["Sorry?"], "context_set": ""}


def read(folder: Path, value: object) -> tuple[list[dict[str, Any]], list[str]]:
    (folder / "intents.json").write_text(json.dumps(value))
    source = open_source(Config.model_validate({"data": {"source": str(folder / "intents.json")}}).data)
    return read_sample(source, []), source.notes


@pytest.mark.parametrize("wrap", [True, False])
def test_each_sentence_is_a_row_with_an_answer_of_its_intent(tmp_path: Path, wrap: bool) -> None:
    intents = [*INTENTS, SILENT]
    rows, notes = read(tmp_path, {"intents": intents} if wrap else intents)
    assert rows[:4] == [
        {"question": "Where is hall 0a?", "intent": "intent 0", "answer": "Left of 0"},
        {"question": "Where is hall 0b?", "intent": "intent 0", "answer": "Up at 0"},
        {"question": "Where is hall 0c?", "intent": "intent 0", "answer": "Left of 0"},
        {"question": "Where is hall 1a?", "intent": "intent 1", "answer": "Left of 1"},
    ]
    assert len(rows) == 18 and notes == [
        "7 intents are 18 rows, one for each of their patterns, each with one of its responses in turn; left out, "
        "nobody says them, nothing answers or they have no name: 1"
    ]
    meaning = decide(rows, kinds=("conversation",))
    keys = {reading.key: reading.mapping for reading in meaning.readings}
    assert not meaning.certain and keys["classify intent"] == {"prompt": "question", "completion": "intent"}
    assert keys["answer answer"] == {"prompt": "question", "completion": "answer"}


def test_without_responses_the_intent_is_learnt(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, [{"intent": one["tag"], "examples": one["patterns"]} for one in INTENTS])
    meaning = decide(rows, kinds=("conversation",))
    assert len(rows) == 18 and meaning.certain
    assert meaning.reading.mapping == {"prompt": "question", "completion": "intent"}


def test_other_lists_stay_as_they_are(tmp_path: Path) -> None:
    rows, notes = read(tmp_path, [{"tag": "same", "patterns": ["a", "b"], "responses": ["c"]} for _ in range(3)])
    assert len(rows) == 3 and "patterns" in rows[0] and notes == [], "one tag for all: no intents"


PAIRS = [{"question": f"Where is hall {n}?", "answer": f"Left of {n}"} for n in range(6)]
SHORT = [{"q": pair["question"], "a": pair["answer"]} for pair in PAIRS]
SQUAD = [{"question": pair["question"], "answers": [{"text": pair["answer"], "answer_start": 1}]} for pair in PAIRS]
LISTS: dict[str, Any] = {  # a file, and the first row that comes of it
    "qa_pairs": (
        [{"document": "A map", "qa_pairs": PAIRS[k : k + 3]} for k in (0, 3)],
        {"document": "A map", **PAIRS[0]},
    ),
    "qas": (
        [{"context": "A map", "qas": SQUAD[k : k + 3]} for k in (0, 3)],
        {
            "context": "A map",
            "question": PAIRS[0]["question"],
            "answers": {"text": ["Left of 0"], "answer_start": [1]},
        },
    ),
    "text": ([{"topic": "maps", "FAQ": json.dumps(SHORT[k : k + 3])} for k in (0, 3)], {"topic": "maps", **PAIRS[0]}),
    "sections": ({"faq": [{"category": "maps", "items": SHORT}]}, {"category": "maps", **PAIRS[0]}),
    "keys": ({pair["question"] + k: pair["answer"] for pair in PAIRS for k in ("", " And why?")}, PAIRS[0]),
}


@pytest.mark.parametrize("name", LISTS)
def test_each_question_of_a_list_is_a_row(tmp_path: Path, name: str) -> None:
    """They were learnt as one answer of JSON, or as one conversation."""
    value, first = LISTS[name]
    rows, notes = read(tmp_path, value)
    assert rows[0] == first and len(rows) == (12 if name == "keys" else 6) and len(notes) == 1
    meaning = decide(rows, kinds=("conversation",))
    assert meaning.certain and str(meaning.reading.mapping["completion"]) in ("answer", "answers")
    columns = {"prompt": next(key for key in first if key == "question"), "completion": "x"}
    columns["completion"] = str(meaning.reading.mapping["completion"])
    data = Config.model_validate({"data": {"source": str(tmp_path / "intents.json"), "columns": columns}}).data
    assert read_sample(open_source(data), [], wanted=columns.values())[0] == first, "what data-describe prints works"


def test_rounds_of_a_conversation_are_no_list_of_questions(tmp_path: Path) -> None:
    rows, notes = read(tmp_path, [{"conversation": PAIRS[k : k + 3]} for k in (0, 3)])
    assert len(rows) == 2 and notes == []


TURNS: dict[str, tuple[list[str], list[str]]] = {  # columns, and the roles that come of them; none: they stay
    "named": (["user_1", "assistant_1", "user_2", "assistant_2"], ["user", "assistant"] * 2),
    "in another order": (["Human 2", "Bot 1", "Human 1", "Bot 2"], ["user", "assistant"] * 2),
    "turns": (["turn1", "turn2", "turn3", "turn4", "id"], ["user", "assistant"] * 2),
    "turns with a class": (["turn1", "turn2", "turn3", "label"], []),
    "two answers": (["user_1", "assistant_1", "assistant_2"], []),
    "two questions": (["question_1", "answer_1", "question_2", "answer_2"], []),
}


@pytest.mark.parametrize("name", TURNS)
def test_a_column_for_each_turn_is_a_conversation(tmp_path: Path, name: str) -> None:
    columns, roles = TURNS[name]
    rows, notes = read(tmp_path, [{column: f"{column} of {n}" for column in columns} for n in range(6)])
    assert bool(notes) == bool(roles) and ("messages" in rows[0]) == bool(roles)
    if roles:
        assert [turn["role"] for turn in rows[0]["messages"]] == roles
        ordered = [turn["content"] for turn in rows[0]["messages"]]
        assert sorted(ordered, key=lambda text: text.split(" of")[0][-1]) == ordered, "by their numbers"
