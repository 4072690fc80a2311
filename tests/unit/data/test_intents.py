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
        "nobody says them or nothing answers: 1 intents"
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
