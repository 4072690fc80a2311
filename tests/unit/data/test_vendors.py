"""Exports of programs and rows of benchmarks whose parts stand one level too deep, and quizzes: what is learnt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning import Meaning, decide
from gaslamp.data.sample import read_sample
from gaslamp.data.sources import open_source

NUMBERS = range(6)
Rows = list[dict[str, Any]]


def ask(number: int) -> str:
    return f"Where is the hall with number {number}?"


def say(number: int) -> str:
    return f"It is left of the stairs on floor {number}."


def look(path: Path, text: str | bytes) -> tuple[Rows, Meaning, list[str]]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = open_source(Config.model_validate({"data": {"source": str(path)}}).data)
    problems: list[Any] = []
    rows = read_sample(source, problems)
    assert not problems
    return rows, decide(rows, kinds=("conversation",)), source.notes


def learn(row: dict[str, Any], meaning: Meaning) -> list[tuple[str, str]]:
    reading = meaning.reading
    made = registry.get("formats", reading.format).convert(row, reading.mapping)
    return [(turn["role"], turn["content"]) for turn in made["messages"]]


def write_intercom(n: int) -> dict[str, Any]:
    parts = [
        {"part_type": "note", "body": "<p>secret</p>", "author": {"type": "admin"}},
        {"part_type": "comment", "body": f"<p>{say(n)}</p>", "author": {"type": "admin"}},
        {"part_type": "close", "body": None, "author": {"type": "admin"}},
    ]
    source = {"body": f"<p>{ask(n)}</p>", "author": {"type": "user"}}
    return {"id": str(n), "source": source, "conversation_parts": {"conversation_parts": parts}}


def write_zendesk(n: int) -> dict[str, Any]:
    said = [(n, ask(n), True), (99, "secret", False), (99, say(n), True), (n, "Thanks", True)]
    return {"requester_id": n, "comments": [{"author_id": who, "body": text, "public": p} for who, text, p in said]}


SWAPPED: dict[
    str, Callable[[int], dict[str, Any]]
] = {  # a row that holds the question and the answer above, as it is written
    "intercom": write_intercom,
    "zendesk": write_zendesk,
    "multiwoz 2.1": lambda n: {
        "goal": {},
        "log": [{"text": ask(n), "metadata": {}}, {"text": say(n), "metadata": {"x": 1}}],
    },
    "german": lambda n: {"dialog": [{"rolle": "Nutzer", "text": ask(n)}, {"rolle": "Assistent", "text": say(n)}]},
    "abcd": lambda n: {"original": [["customer", ask(n)], ["action", "looked up"], ["agent", say(n)]]},
    "lists": lambda n: {"turns": {"speaker": ["user", "assistant"], "utterance": [ask(n), say(n)], "id": [0, 1]}},
}


@pytest.mark.parametrize("name", SWAPPED)
def test_conversations_of_programs(name: str, tmp_path: Path) -> None:
    rows, meaning, _ = look(tmp_path / "a.jsonl", "".join(json.dumps(SWAPPED[name](n)) + "\n" for n in NUMBERS))
    assert meaning.certain and len(rows) == len(NUMBERS)
    assert learn(rows[2], meaning) == [("user", ask(2)), ("assistant", say(2))]


def test_a_list_of_intercom_is_a_row_for_each_conversation(tmp_path: Path) -> None:
    whole = {"type": "conversation.list", "conversations": [write_intercom(n) for n in NUMBERS]}
    rows, meaning, notes = look(tmp_path / "a.json", json.dumps(whole))
    assert learn(rows[5], meaning) == [("user", ask(5)), ("assistant", say(5))]
    assert any("notes are left out" in note for note in notes)


def test_coqa_is_a_conversation_about_its_story(tmp_path: Path) -> None:
    made = [
        {
            "story": f"Hall {n} is old.",
            "questions": ["How is it?", "Which?"],
            "answers": {"input_text": ["old", str(n)]},
        }
        for n in NUMBERS
    ]
    rows, meaning, _ = look(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in made))
    assert learn(rows[1], meaning) == [
        ("user", "Hall 1 is old.\n\nHow is it?"),
        ("assistant", "old"),
        ("user", "Which?"),
        ("assistant", "1"),
    ]


def test_calls_of_bfcl_take_the_first_accepted_value(tmp_path: Path) -> None:
    made = [
        {
            "id": f"simple_{n}",
            "question": [[{"role": "user", "content": ask(n)}]],
            "function": [{"name": "find", "parameters": {"type": "dict", "properties": {"n": {"type": "float"}}}}],
            "ground_truth": [{"find": {"n": [n, n + 1], "unit": ["", "m"]}}],
        }
        for n in NUMBERS
    ]
    rows, meaning, _ = look(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in made))
    call = rows[3]["messages"][1]["tool_calls"][0]["function"]
    assert meaning.certain and call == {"name": "find", "arguments": {"n": 3}}
    assert rows[3]["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {"n": {"type": "number"}}}


def test_speakers_of_other_names_are_a_question(tmp_path: Path) -> None:
    made = [
        {"dialog": [{"speaker": "0_Apprentice", "text": ask(n)}, {"speaker": "1_Wizard", "text": say(n)}]}
        for n in NUMBERS
    ]
    rows, meaning, _ = look(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in made))
    assert not meaning.certain and {one.key for one in meaning.readings} == {
        "answers of Wizard",
        "answers of Apprentice",
    }
    assert learn(rows[0], meaning) == [("user", ask(0)), ("assistant", say(0))]


def test_labels_of_labelbox_are_classes(tmp_path: Path) -> None:
    def label(n: int) -> dict[str, Any]:
        answer = {"name": "mood", "radio_answer": {"name": ("good", "bad")[n % 2]}}
        return {"labels": [{"annotations": {"classifications": [answer]}}] if n else []}

    made = [{"data_row": {"row_data": say(n)}, "projects": {"p": label(n)}} for n in range(8)]
    rows, meaning, notes = look(tmp_path / "a.ndjson", "".join(json.dumps(row) + "\n" for row in made))
    assert learn(rows[0], meaning) == [("user", say(1)), ("assistant", "bad")]
    assert any("without an answer to learn: 1" in note for note in notes)


def test_results_of_promptfoo_ask_whether_failures_are_learnt(tmp_path: Path) -> None:
    results = [{"vars": {"question": ask(n)}, "response": {"output": say(n)}, "success": n % 2 > 0} for n in range(12)]
    rows, meaning, _ = look(tmp_path / "a.json", json.dumps({"version": 3, "results": {"results": results}}))
    assert not meaning.certain and meaning.reading.key == "good" and len(rows) == 12
    tests = {"prompts": ["{{question}}"], "tests": []}
    tests["tests"] = [{"vars": {"question": ask(n)}, "assert": [{"type": "equals", "value": say(n)}]} for n in NUMBERS]  # type: ignore[assignment]
    rows, meaning, _ = look(tmp_path / "b.json", json.dumps(tests))
    assert learn(rows[2], meaning) == [("user", ask(2)), ("assistant", say(2))]


def test_real_and_generated_answers_are_a_preference(tmp_path: Path) -> None:
    def talk(n: int, text: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": ask(n)}, {"role": "assistant", "content": text}]

    made = [{"real": talk(n, say(n)), "generated": talk(n, "No idea.")} for n in NUMBERS]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    rows = read_sample(open_source(Config.model_validate({"data": {"source": str(tmp_path / "a.jsonl")}}).data), [])
    assert decide(rows).certain and decide(rows).reading.mapping["chosen"] == "chosen"
    assert rows[1]["chosen"][1]["content"] == say(1)


MOODLE = (
    "<question type='{kind}'><questiontext format='html'><text>{ask}</text></questiontext>"
    "<answer fraction='100'><text>{right}</text></answer>{wrong}</question>"
)
WRONG = "<answer fraction='0'><text>{}</text></answer>"


def test_choices_of_moodle_are_mixed(tmp_path: Path) -> None:
    made = "".join(
        MOODLE.format(kind="multichoice", ask=ask(n), right=f"left {n}", wrong=WRONG.format("right") * 1)
        for n in range(12)
    )
    short = MOODLE.format(kind="shortanswer", ask=ask(99), right="left", wrong="")
    rows, meaning, notes = look(tmp_path / "a.xml", f"<quiz>{made}{short}</quiz>")
    letters = {learn(row, meaning)[1][1][:1] for row in rows}
    assert all(learn(row, meaning)[1][1].endswith(f"left {n}") for n, row in enumerate(rows)) and letters == {"A", "B"}
    assert any("without an answer to learn: 1" in note for note in notes)


QUIZZES = {
    "aiken": ("{ask}\nA. up\nB. {right}\nC) down\nANSWER: B\n\n", "B. {right}"),
    "gift": ("::T:: [html]{ask} {{={right}#well done ~up ~down}}\n\n", "{right}"),
    "gift in lines": ("// note\n{ask} {{\n=%100%{right}\n~%0%up\n~down\n}}\n\n", "{right}"),
    "gift words": ("{ask} {{={right} =stairs}}\n\n", "{right}"),
}


@pytest.mark.parametrize("name", QUIZZES)
def test_quizzes_are_questions_with_their_right_answer(name: str, tmp_path: Path) -> None:
    """They were running text for cpt, without a word."""
    text, wanted = QUIZZES[name]
    written = "".join(text.format(ask=ask(n), right=f"left {n}") for n in NUMBERS)
    rows, meaning, _ = look(tmp_path / "a.txt", written)
    (_, question), (_, answer) = learn(rows[4], meaning)
    assert meaning.certain and question.startswith(ask(4)) and answer.endswith(wanted.format(right="left 4"))


def test_other_questions_of_a_quiz_are_counted(tmp_path: Path) -> None:
    text = "Who {=Ida ~Per}?\n\nIs it \\{so\\}? {T}\n\nWhich? {~%50%a ~%50%b}\n\nMatch {=a -> b =c -> d}\n"
    rows, _, notes = look(tmp_path / "a.txt", text)
    assert [row["question"] for row in rows] == ["Who ___ ?", "Is it {so}?"]
    assert any("left out: 2 questions" in note for note in notes)


@pytest.mark.parametrize(
    "text", ["if (a) {b = 1;}\n\nwhile (x) {y = 2;}\n\n", "A. one\nB. two\n\nIn the end: a text.\n\n"]
)
def test_code_and_lists_are_no_quiz(text: str, tmp_path: Path) -> None:
    _, _, notes = look(tmp_path / "a.txt", text * 5)
    assert not any("quiz" in note for note in notes)


def test_keys_of_json_are_splits_classes_and_languages(tmp_path: Path) -> None:
    """CLINC150, Snips, LUIS and the messages of a program."""
    clinc = {"oos_val": [[say(0), "oos"]], "val": [[say(1), "pay"]], "train": [[say(n), "pay"] for n in NUMBERS]}
    clinc["test"] = [[say(7), "pay"]]
    rows, _, _ = look(tmp_path / "a.json", json.dumps(clinc))
    assert rows[0] == {"text": say(0), "label": "oos"} and len(rows) == 9
    snips = {name: [{"data": [{"text": f"{name} "}, {"text": "x", "entity": "e"}]}] * 3 for name in ("play", "stop")}
    rows, _, _ = look(tmp_path / "b.json", json.dumps(snips))
    assert rows[3] == {"text": "stop x", "intent": "stop", "entities": {"e": "x"}} and not decide(rows).certain
    luis = {
        "intents": [{"name": "a"}, {"name": "b"}],
        "utterances": [{"text": say(n), "intent": "ab"[n % 2]} for n in NUMBERS],
    }
    rows, meaning, _ = look(tmp_path / "c.json", json.dumps(luis))
    assert learn(rows[1], meaning) == [("user", say(1)), ("assistant", "b")]
    texts = {
        "en": {"nav": {str(n): f"Go to {n}" for n in NUMBERS}},
        "de": {"nav": {str(n): f"Gehe zu {n}" for n in range(5)}},
    }
    rows, meaning, notes = look(tmp_path / "d.json", json.dumps(texts))
    assert learn(rows[1], meaning) == [("user", "Go to 1"), ("assistant", "Gehe zu 1")] and len(rows) == 5
    assert any("left out, as a language has no text for them: 1 keys" in note for note in notes)


@pytest.mark.parametrize("nested", [True, False])
def test_messages_of_a_program_in_one_language_are_no_texts(nested: bool, tmp_path: Path) -> None:
    texts = {f"k{n}": f"Press the button {n}" for n in range(12)}
    whole = {"nav": texts, "end": {"now": "Yes"}} if nested else {f"nav.{key}": text for key, text in texts.items()}
    with pytest.raises(
        GaslampError, match=r"1[23] messages of a program in one language, each under its key \(nav.k0\)"
    ):
        look(tmp_path / "a.json", json.dumps(whole))


def test_documents_by_their_key_stay_texts(tmp_path: Path) -> None:
    rows, _, _ = look(tmp_path / "a.json", json.dumps({f"doc-{n}": f"{say(n)} " * 10 for n in range(12)}))
    assert len(rows) == 12 and decide(rows, kinds=("text",)).reading.mapping == {"text": "text"}


HEADS = {
    "teams": ("[1.2.2024 10:0{n}] Ida Holm\n{ask}\n\n", "[1.2.2024 10:0{n}] Per Lund\n{say}\nBye.\n\n"),
    "slack": ("Ida Holm  10:0{n} AM\n{ask}\n", "Per Lund  10:0{n} AM\n{say}\nBye.\n"),
    "discord": ("Ida Holm — 01/02/2024 10:0{n}\n{ask}\n", "Per Lund — 01/02/2024 10:0{n}\n{say}\nBye.\n"),
}


@pytest.mark.parametrize("name", HEADS)
def test_chats_with_the_text_below_its_speaker(name: str, tmp_path: Path) -> None:
    """Copied out of Teams they were questions and answers, or running text."""
    asks, says = HEADS[name]
    text = "".join(asks.format(n=n, ask=ask(n)) + says.format(n=n, say=say(n)) for n in NUMBERS)
    rows, meaning, _ = look(tmp_path / "a.txt", text)
    assert not meaning.certain and {one.key for one in meaning.readings} == {
        "answers of Ida Holm",
        "answers of Per Lund",
    }
    own = next(one for one in meaning.readings if one.key.endswith("Per Lund"))
    turns = registry.get("formats", "messages").convert(rows[0], own.mapping)["messages"]
    assert [turn["content"] for turn in turns[:2]] == [ask(0), f"{say(0)}\nBye."]


@pytest.mark.parametrize("ending", ["", ".wav"])
def test_a_table_that_names_recordings_is_speech(ending: str, tmp_path: Path) -> None:
    """LJSpeech's second text was learnt as the answer to the first."""
    (tmp_path / "wavs").mkdir()
    for n in NUMBERS:
        (tmp_path / "wavs" / f"LJ{n}.wav").write_bytes(b"RIFF")
    text = "".join(f"LJ{n}{ending}|Dr. {say(n)}|Doctor {say(n)}\n" for n in NUMBERS)
    (tmp_path / "metadata.csv").write_text(text)
    rows = read_sample(open_source(Config.model_validate({"data": {"source": str(tmp_path)}}).data), [])
    assert rows[2] == {"audio": "wavs/LJ2.wav", "text": f"Doctor {say(2)}", "column 2": f"Dr. {say(2)}"}
    assert decide(rows).reading.format == "speech"
