"""The words of a lesson may be a model's, its facts never; against a stub of an OpenAI-compatible server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai_stub
import pytest
from gaslamp.config.sections.endpoint import Endpoint
from gaslamp.memory import wording
from gaslamp.memory.entry import Entry
from gaslamp.memory.wording import find_problem, word

BODY = "score 0.41 -> 0.62 (12 rows), train.epochs 3 instead of 1, not slower"

HOME = "/".join(("", "home", "ann"))  # as one string it would look like a path of this machine


def make(body: str = BODY, **changes: Any) -> Entry:
    values = {
        "kind": "lessons",
        "candidate_id": "cafe:section_4:1a2b3c4d",
        "title": "smollm2-135m: 3 epochs helped",
        "body": body,
        "date": "2026-11-30",
        "settings": {},
    }
    return Entry.model_validate(values | changes)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("With train.epochs 3 instead of 1 the score went from 0.41 to 0.62 on 12 rows, and it was not slower.", None),
        (
            "With train.epochs 3 instead of 1 the score went from 0.41 to 0.63 on 12 rows, and it was not slower.",
            "0.63",
        ),
        ("With train.epochs 3 instead of 1 the score went from 0.41 to 0.62, and it was not slower.", "12"),
        ("With train.epochs 3 instead of 1 the score 0.41 became 0.62 on 12 rows, and it was slower.", "not"),
        ("Better: train.epochs 3 instead of 1, score 0.41 to 0.62 on 12 rows, not slower.", "better"),
        ("With epochs 3 instead of 1 the score went from 0.41 to 0.62 on 12 rows, not slower.", "train.epochs"),
        ("With train.epochs 3 instead of 1 gpt2 went from 0.41 to 0.62 on 12 rows, not slower.", "2"),
        ("With train.epochs 3 instead of 1 it doubled, 0.41 to 0.62 on 12 rows, not slower.", "doubled"),
        ("", "empty"),
        (BODY + " " * 200 + "x", "characters"),
    ],
)
def test_a_text_that_says_something_else_is_not_taken(text: str, problem: str | None) -> None:
    found = find_problem(text, make())
    assert found is None if problem is None else found and problem in found


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(wording, "say", lines.append)
    return lines


def test_a_worded_entry_keeps_its_facts(tmp_path: Path, said: list[str]) -> None:
    good = "With train.epochs 3 instead of 1 the score went from 0.41 to 0.62 (12 rows), and it was not slower."
    entries = [
        make(settings={"train.epochs": 3}, when="task=sft", measured={"score": 0.62}),
        make("the level 4 needs 9 GB", candidate_id="cafe:section_7:2a2b3c4d"),
        make("my own words", candidate_id="cafe:section_11:3a2b3c4d"),
        make("works at night", kind="user", candidate_id="cafe:section_1:4a2b3c4d"),
    ]

    def answer(body: dict[str, Any]) -> str:
        return f"<think>hm</think>\n{good}" if "0.41" in body["messages"][0]["content"] else "The level 5 needs 9 GB."

    with openai_stub.serve(answer) as received:
        place = Endpoint(url=received.url, model="m")
        found = word(entries, place, tmp_path / "wording.json")
        assert found[0].body == good and found[0].model_copy(update={"body": BODY}) == entries[0]
        assert found[1:] == entries[1:], "another number, a hint, a fact about the person"
        assert len(received.bodies) == 2 and all(body["temperature"] == 0 for body in received.bodies)
        assert word(entries, place, tmp_path / "wording.json") == found and len(received.bodies) == 2, "kept"
    assert "1 of 2 entries are worded by m" in said[1] and "number 5 is not of the facts" in said[0]
    assert word(entries, Endpoint(), tmp_path / "wording.json") == entries, "off"


def test_what_travels_and_what_comes_back_is_cleaned(tmp_path: Path, said: list[str]) -> None:
    entry = make(f"the file {HOME}/secret/notes.csv of ann@corp.de has 3 rows, hf_abcdefgh12345678")
    reply = "The file [path] of [EMAIL] has 3 rows: see " + HOME + "/x.csv, ***."
    with openai_stub.serve(lambda body: reply) as received:
        found = word([entry], Endpoint(url=received.url, model="m"), tmp_path / "wording.json")
    sent = received.bodies[0]["messages"][0]["content"]
    assert not any(part in sent for part in (HOME, "corp.de", "hf_abcdefgh"))
    assert HOME not in found[0].body and HOME not in (tmp_path / "wording.json").read_text()


def test_a_server_that_is_gone_changes_nothing(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [make(candidate_id=f"cafe:section_4:{n}a2b3c4d") for n in range(5)]
    with openai_stub.serve(lambda body: (400, {"error": {"message": "no"}})) as received:
        assert word(entries, Endpoint(url=received.url, model="m"), tmp_path / "w.json") == entries
        assert len(received.bodies) == 2, "not all entries wait for it"
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    place = Endpoint(url="http://127.0.0.1:1/v1", model="m", key_env="NO_SUCH_KEY")
    assert word(entries, place, tmp_path / "w.json") == entries
    assert any("NO_SUCH_KEY is not set" in text and "plain text" in text for text in said)
