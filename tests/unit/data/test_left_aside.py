"""Columns that were left out with a warning, or refused without a word that helps: they are read, or a question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning import decide
from gaslamp.data.meaning.examples import render_row
from gaslamp.data.sample import read_sample
from gaslamp.data.sources import open_source

N = range(24)
Rows = list[dict[str, Any]]
TURNS = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Left."}]


def ask(n: int) -> str:
    return f"What should I know about the lamp in hall {n}?"


def say(n: int) -> str:
    return f"The lamp in hall {n} burns until the evening, and longer on Fridays."


def load(file: Path, text: str) -> Rows:
    file.write_text(text, encoding="utf-8")
    return read_sample(open_source(Config(data={"source": str(file)}).data), [])


def learn(rows: Rows, number: int = 0, **settings: Any) -> dict[str, str]:
    meaning = decide(rows, **settings)
    return dict(render_row(meaning.readings[number], rows))


OPEN: dict[str, tuple[Rows, str, dict[str, str]]] = {  # what is a question, and the first reading of the first row
    "documents next to turns": (
        [{"messages": TURNS, "documents": [{"title": f"Hall {n}", "text": say(n)}]} for n in N],
        "messages with context",
        {"user": f"Hall 0 {say(0)} Where?", "assistant": "Left."},
    ),
    "two answers without ranks": (
        [{"instruction": ask(n), "output": [say(n), say(n + 1)]} for n in N],
        "preference",
        {"chosen": say(0), "rejected": say(1)},
    ),
    "an aspect of a text": (
        [{"Sentence": say(n), "Aspect": f"hall {n}", "polarity": ("good", "bad")[n % 2]} for n in N],
        "classify polarity of Aspect",
        {"user": f"Sentence: {say(0)} Aspect: hall 0", "assistant": "good"},
    ),
    "a category of a text": (
        [{"text": say(n // 2), "aspect": ("price", "room")[n % 2], "label": "XY"[n % 3 == 0]} for n in N],
        "classify label of aspect",
        {"user": f"text: {say(0)} aspect: price", "assistant": "Y"},
    ),
    "weights": (
        [{"prompt": ask(n), "completion": say(n), "weight": int(n % 4 > 0)} for n in N],
        "good",
        {"user": ask(1), "assistant": say(1)},
    ),
    "weights that are shares": (
        [{"prompt": ask(n), "completion": say(n), "weight": 0.25 * (n % 5)} for n in N],
        "answer completion",
        {"user": ask(0), "assistant": say(0)},
    ),
    "a reply next to a category": (
        [{"Betreff": f"Lampe {n}", "Mail": ask(n), "Antwortmail": say(n), "Kategorie": "XY"[n % 2]} for n in N],
        "classify Kategorie",
        {"user": f"Betreff: Lampe 0 Mail: {ask(0)}", "assistant": "X"},
    ),
    "marks": (
        [{"Frage": ask(n), "Antwort": say(n), "Note": 1 + n % 6} for n in N],
        "good, 1 is best",
        {"user": ask(0), "assistant": say(0)},
    ),
    "another column of few values": (
        [{"text": say(n), "topic": "ab"[n % 2], "urgency": ("low", "high")[n % 3 == 0]} for n in N],
        "classify urgency", {"user": say(0), "assistant": "high"},
    ),
    "the same text with tags": (
        [{"text_raw": say(n), "text_html": f"<p>{say(n)}</p>", "category": "XY"[n % 2]} for n in N],
        "classify category", {"user": say(0), "assistant": "X"},
    ),
    "a verdict that nobody knows": (
        [{"question": ask(n), "answer": say(n), "blorp": ("igen", "nem")[n % 2]} for n in N],
        "answer answer", {"user": ask(0), "assistant": say(0)},
    ),
    "a share": (
        [{"question": ask(n), "answer": say(n), "blorp": n % 10 / 10} for n in N],
        "answer answer", {"user": ask(0), "assistant": say(0)},
    ),
    "speakers and their satisfaction": (
        [{"Customer": ask(n), "Agent": say(n), "CSAT": 1 + n % 5} for n in N],
        "answer Agent", {"user": ask(0), "assistant": say(0)},
    ),
    "a source that is translated": (
        [{"source": say(n), "translation": ask(n), "quality": ("good", "bad")[n % 2]} for n in N],
        "describe translation", {"user": say(0), "assistant": ask(0)},
    ),
    "how an answer is written": (
        [{"input_text": ask(n // 2), "tone": ("formal", "funny")[n % 2], "output_text": say(n)} for n in N],
        "answer output_text of tone", {"user": f"input_text: {ask(0)} tone: formal", "assistant": say(0)},
    ),
    "answers of which a column names one": (
        [{"question": ask(n), "answers": {"x": say(n), "y": say(n + 1)}, "right": "xy"[n % 2]} for n in N],
        "answer answers", {"user": ask(0)},
    ),
    "prompts with what is right": (
        [{"messages": TURNS[:1], "reference_answer": say(n)} for n in N], "check reference_answer", {"answer": say(0)},
    ),
    "stars of a review and the reply": (
        [{"Review": say(n), "Rating": 1 + n % 5, "Owner reply": f"{say(n + 1)} Thanks!"} for n in N],
        "all", {"user": say(0), "assistant": f"{say(1)} Thanks!"},
    ),
    "a scale that nobody names": (
        [{"What was good?": say(n), "What was bad?": f"{say(n + 1)} Sadly.", "How likely?": 1 + n % 5} for n in N],
        "classify How likely?", {"assistant": "1"},
    ),
    "parts of a text": (
        [{"email_body": f"{say(n)} {n} euros to {'XY'[n % 2]}ena", "amount": str(n), "due": f"hall {n}",
          "payee": f"{'XY'[n % 2]}ena"} for n in range(10, 40)],
        "classify payee", {"assistant": "Xena"},
    ),
    "questions without what is right": (
        [{"query": ask(n), "gold_spans": [{"from": n, "to": n + 4}]} for n in N], "grpo", {"user": ask(0)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPEN)
def test_what_was_left_out_is_a_question(name: str) -> None:
    rows, key, learnt = OPEN[name]
    meaning = decide(rows)
    assert not meaning.certain and key in [one.key for one in meaning.readings]
    number = [one.key for one in meaning.readings].index(key)
    assert learnt.items() <= learn(rows, number).items()
    picked = decide(rows, pick=key)
    assert picked.confidence == "set" and learnt.items() <= learn(rows, pick=key).items()


@pytest.mark.parametrize("name", ["toxicity_score", "risk score", "hallucination_prob", "perplexity", "Toxizit\u00e4t"])
def test_low_numbers_of_a_bad_word_are_good(name: str) -> None:
    """The toxic answers were learnt as the good ones."""
    rows = [{"prompt": ask(n), "response": say(n), name: n % 10 / 10} for n in N]
    for kinds in ((), ("conversation",), ("rating",)):
        kept = [one.mapping for one in decide(rows, kinds=kinds).readings if one.key in ("good", "rate")]
        assert kept and all(mapping["threshold"] == "below 0.5" for mapping in kept)


def test_marks_of_which_one_is_best_are_shown_both_ways() -> None:
    rows = OPEN["marks"][0]
    kept = {one.key: one.mapping.get("threshold") for one in decide(rows, kinds=("conversation",)).readings}
    assert kept["good, 1 is best"] == "below 3" and kept["good, the highest is best"] == "4" and "all" in kept


READ: dict[str, tuple[Rows, dict[str, str]]] = {  # what is learnt of the first row, for certain
    "natural instructions": (
        [{"definition": "Answer.", "inputs": ask(n), "targets": say(n)} for n in N],
        {"user": f"Answer. {ask(0)}", "assistant": say(0)},
    ),
    "evals": ([{"input": TURNS[:1], "ideal": say(n)} for n in N], {"user": "Where?", "assistant": say(0)}),
    "options": (
        [{"query": ask(n), "options": ["hall", "room", "yard"], "correct_option": n % 3} for n in N],
        {"user": f"{ask(0)} A. hall B. room C. yard", "assistant": "A. hall"},
    ),
    "retrieval": (
        [{"query": ask(n), "relevant_passages": [say(n)], "hard_negatives": [say(n + 1)]} for n in N],
        {"anchor": ask(0), "positive": say(0), "negative": say(1)},
    ),
    "a passage and a verdict": (
        [{"paragraph": say(n + 9), "question": ask(n), "answer": say(n), "thumbs_up": n % 2} for n in N],
        {"user": f"{say(9)} {ask(0)}"[:99] + "…", "completion": say(0), "label": "false"},
    ),
    "a system that answers": (
        [{"turns": [{"speaker": "USER", "utterance": ask(n)}, {"speaker": "SYSTEM", "utterance": say(n)}]} for n in N],
        {"user": ask(0), "assistant": say(0)},
    ),
    "an answer that stands in a column that is not read": (
        [{"body": f"{ask(n)} TL;DR {say(n)}", "content": ask(n), "summary": say(n)} for n in N],
        {"user": ask(0), "assistant": say(0)},
    ),
    "three answers": (
        [{"question": ask(n), "answerA": "x", "answerB": "y", "answerC": "z", "label": 1 + n % 3} for n in N],
        {"user": f"{ask(0)} A. x B. y C. z", "assistant": "A. x"},
    ),
    "marks of speakers": (
        [{"text": f"<human>: {ask(n)}\n<bot>: {say(n)}"} for n in N], {"user": ask(0), "assistant": say(0)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_has_one_meaning_is_read(name: str) -> None:
    rows, learnt = READ[name]
    assert decide(rows).certain and learn(rows) == learnt


KEYS = ("start", "end", "label")


@pytest.mark.parametrize("make", [lambda *span: span, lambda *span: dict(zip(KEYS, span, strict=True))])
def test_places_in_a_text_are_what_stands_there(tmp_path: Path, make: Any) -> None:
    """The model learnt the numbers."""
    lines = [json.dumps({"text": say(n), "label": [make(4, 8, "AB"[n % 2])]}) for n in N]
    rows = load(tmp_path / "spans.jsonl", "\n".join(lines))
    assert rows[0] == {"text": say(0), "entities": [{"text": "lamp", "label": "A"}]}
    assert decide(rows, kinds=("conversation",)).reading.mapping["prompt"] == "text"


def test_the_right_choice_stands_among_the_wrong_ones() -> None:
    rows = [
        {"Question": ask(n), "Correct Answer": f"yes {n}", "Incorrect Answer 1": "no", "Incorrect Answer 2": "never"}
        for n in N
    ]
    meaning = decide(rows)
    convert = registry.get("formats", "choices").convert
    made = [[turn["content"] for turn in convert(row, meaning.reading.mapping)["messages"]] for row in rows]
    assert meaning.certain and made == [
        [turn["content"] for turn in convert(row, meaning.reading.mapping)["messages"]] for row in rows
    ]
    assert all(answer in question and answer.endswith(f"yes {n}") for n, (question, answer) in enumerate(made))
    assert {answer[0] for _, answer in made} == {"A", "B", "C"}, "the right one has no place of its own"
    listed = [
        {"question": ask(n), "correct_answer": f"yes {n}", "incorrect_answers": ["no", "never"], "explanation": say(n)}
        for n in N
    ]
    assert [one.key for one in decide(listed).readings] == ["answer and explanation", "answer"]
    with pytest.raises(ValueError, match="is one of the wrong choices"):
        convert({**rows[0], "Incorrect Answer 1": "yes 0"}, meaning.reading.mapping)


def test_several_right_choices_are_an_error_of_their_row() -> None:
    """Kahoot's ``1,3`` was learnt as the answer."""
    convert = registry.get("formats", "choices").convert
    rows = [
        {"Question": ask(n), "Answer 1": "x", "Answer 2": "y", "Answer 3": "z", "Correct answer(s)": str(1 + n % 3)}
        for n in N
    ]
    meaning = decide(rows)
    assert meaning.certain and meaning.reading.mapping["first_number"] == "1"
    assert learn(rows)["assistant"] == "A. x"
    for answer in ("1,3", "A, C"):
        with pytest.raises(ValueError, match="several choices are right"):
            convert({**rows[0], "Correct answer(s)": answer}, meaning.reading.mapping)


def test_what_people_submitted_in_argilla_is_learnt(tmp_path: Path) -> None:
    two = [
        {
            "prompt": ask(n),
            "reply.responses": [say(n)],
            "reply.responses.status": ["submitted" if n % 3 else "discarded"],
            "reply.suggestion": "a draft",
            "status": "completed",
        }
        for n in N
    ]
    one = [
        {"prompt": ask(n), "reply": [{"user_id": "a", "value": say(n), "status": "submitted"}],
         "reply-suggestion": "a draft", "reply-suggestion-metadata": {"agent": "x"}}
        for n in N
    ]  # fmt: skip
    for records, count in ((one, 24), (two, 16)):
        source = tmp_path / f"set{count}.jsonl"
        source.write_text("\n".join(json.dumps(row) for row in records))
        opened = open_source(Config(data={"source": str(source)}).data)
        rows = read_sample(opened, [])
        first = 0 if count == 24 else 1
        assert len(rows) == count and rows[0] == {"prompt": ask(first), "reply": say(first)}
        left = "" if count == 24 else "; 8 left out, nobody submitted an answer"
        assert opened.notes == [f"24 records of Argilla: reply hold what people submitted{left}"]
        assert decide(rows).certain


TEXTS: dict[str, tuple[str, dict[str, Any]]] = {  # a file and its first row
    "qa.yaml": ("".join(f"- question: {ask(n)}\n  answer: no\n" for n in N), {"question": ask(0), "answer": "no"}),
    "several.yml": ("---\n".join(f"q: {n}.10\na: yes\n" for n in N), {"q": "0.10", "a": "yes"}),
    "bot.yml": ("conversations:\n" + "".join(f"- - {ask(n)}\n  - {say(n)}\n" for n in N), {"dialog": [ask(0), say(0)]}),
    "nlu.yml": (
        'version: "3.1"\nnlu:\n- synonym: lamp\n  examples: |\n    - light\n'
        + "".join(f"- intent: {i}\n  examples: |\n    - one [lamp](thing) {i}\n    - two\n" for i in ("ask", "bye")),
        {"question": "one lamp ask", "intent": "ask"},
    ),
    "faq.xml": (
        "<faq>"
        + "".join(f"<qa id='{n}'><question>{ask(n)}</question><answer>A &amp; B</answer></qa>" for n in N)
        + "</faq>",
        {"id": "0", "question": ask(0), "answer": "A & B"},
    ),
    "memory.tmx": (
        "<tmx><header srclang='en'/><body>"
        + "".join(f"<tu><tuv xml:lang='en-US'><seg>{say(n)}</seg></tuv>"
                  f"<tuv xml:lang='de'><seg>Lampe <b>{n}</b></seg></tuv></tu>" for n in N)
        + "</body></tmx>",
        {"en": say(0), "de": "Lampe 0"},
    ),
    "app.xlf": (
        '<xliff xmlns="urn:x"><file><body>'
        + "".join(f'<trans-unit id="{n}"><source>{say(n)}</source><target>Lampe {n}</target></trans-unit>' for n in N)
        + "</body></file></xliff>",
        {"id": "0", "source": say(0), "target": "Lampe 0"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_yaml_and_xml_are_rows(tmp_path: Path, name: str) -> None:
    text, first = TEXTS[name]
    rows = load(tmp_path / name, text)
    assert rows[0] == first and len(rows) == (4 if name == "nlu.yml" else 24)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "- a: b\n  c: d: e\n", "line 2: not valid YAML"),
        ("a.yaml", "- &x {a: b}\n- *x\n", "refers to parts of itself"),
        ("a.xml", "<a><b c='1'>x</b>\n<b>&</b></a>", "line 2: not valid XML"),
        ("a.xml", '<!DOCTYPE a [<!ENTITY x "y">]><a><b/></a>', "defines entities of its own"),
        ("a.xml", "<a><b>text</b></a>", "no element comes again and again"),
    ],
)
def test_what_is_no_yaml_or_xml_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(GaslampError, match=message):
        load(tmp_path / name, text)


def test_a_chat_of_teams_is_read(tmp_path: Path) -> None:
    value = [
        {"id": str(n), "messageType": "message", "createdDateTime": f"2024-01-01T10:{n:02}:00Z",
         "from": {"application": None, "user": {"displayName": ("Ann", "Ben")[n % 2], "id": "u"}},
         "body": {"contentType": "html", "content": f"<p>Lamp &amp; hall {n}</p>"}}
        for n in N
    ]  # fmt: skip
    rows = load(tmp_path / "teams.json", json.dumps({"@odata.context": "x", "value": value}))
    assert rows[0]["messages"][:2] == [
        {"from": "Ann", "value": "Lamp & hall 0"}, {"from": "Ben", "value": "Lamp & hall 1"},
    ]  # fmt: skip
    assert not decide(rows).certain
