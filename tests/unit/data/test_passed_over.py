"""Columns that were taken for remarks: what is learnt of them, or that it is a question; each was learnt wrong."""

from __future__ import annotations

from typing import Any

import pytest
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.judgements import convert_kept
from gaslamp.data.meaning import decide
from gaslamp.data.meaning.examples import render_row
from gaslamp.data.readers.encodings import detect_encoding

Rows = list[dict[str, Any]]
NUMBERS = range(24)
ASK, SAY = "What of the hall with number {} in the morning?", "The hall with number {} opens in the morning"


def make(**columns: Any) -> Rows:
    """Rows: a text has the number of its row in it, a list comes again and again, a function makes each cell."""
    rows: Rows = [{} for _ in NUMBERS]
    for name, cells in columns.items():
        for number, row in enumerate(rows):
            text = cells.replace("{}", str(number)) if isinstance(cells, str) else None
            row[name] = cells(number) if callable(cells) else cells[number % len(cells)] if text is None else text
    return rows


OPEN: dict[str, tuple[Rows, list[str]]] = {  # without a method; the keys of the readings, in any order
    "author": (make(id="id{}", text=SAY, author=["EAP", "HPL"]), ["classify author", "text text"]),
    "language": (make(text=SAY, language=["English", "Dutch"]), ["classify language", "text text"]),
    "source": (make(headline=SAY, source=["Onion", "Post"]), ["classify source"]),
    "code": (make(narrative=SAY, icd_code="J{}.1"), ["answer icd_code", "text narrative"]),
    "date": (make(email=SAY, due_date=lambda n: f"2024-05-{n + 1:02}"), ["answer due_date", "text email"]),
    "price": (make(description=SAY, price="{}.99"), ["answer price", "text description"]),
    "year": (make(abstract=SAY, year=lambda n: 1990 + n % 20), ["answer year", "text abstract"]),
    "name in the text": (make(text=SAY + " by Ann{}", name="Ann{}"), ["answer name", "text text"]),
    "link in the text": (
        make(message="See https://x.org/{} again", url="https://x.org/{}"), ["answer url", "text message"],
    ),
    "mails of a thread": (
        make(thread_id=lambda n: n // 2, **{"from": "a{}@x.org", "to": "b{}@x.org"}, body=SAY), ["text body"],
    ),
    "captions without pictures": (make(image_id=lambda n: n, caption=SAY), ["text caption"]),
    "who wrote it": (make(tweet_id="{}", inbound=["True", "False"], text=SAY), ["classify inbound", "text"]),
    "languages that change": (
        make(src=SAY, tgt=ASK, src_lang=["en", "de"], tgt_lang=["de", "en"]),
        ["answer src", "answer tgt of tgt_lang", "answer tgt", "text tgt"],
    ),
    "an edit of the answer": (
        make(input=SAY, model_output=SAY + " so", human_edit=SAY + " now"),
        ["answer human_edit", "answer model_output", "check model_output"],
    ),
    "prompts in lists": (make(prompt=lambda n: [ASK.replace("{}", str(n))], response=SAY), ["prompt_completion"]),
    "objects of a set": (
        make(question=ASK, answers=lambda n: {"text": [f"hall {n}", "no"], "score": [3, n]}), ["answer answers"],
    ),
    "what became of a row": (make(question=ASK, answer=SAY, archived=["0", "1"]), ["good", "all", "rate"]),
    "failed calls": (make(prompt=ASK, response=SAY, error=["", "", "timeout"]), ["good", "all", "rate"]),
}  # fmt: skip
LEARNT: dict[str, tuple[Rows, tuple[str, ...], dict[str, Any], list[str]]] = {  # method's kinds, mapping, lost columns
    "number of a class": (
        make(**{"Class Index": [1, 2, 3], "Title": SAY, "Description": SAY + " too"}), (),
        {"prompt": ["Title", "Description"], "completion": "Class Index"}, [],
    ),
    "compound": (
        make(Nr="{}", Text=SAY, Klassennummer=["1", "2"]), (), {"prompt": "Text", "completion": "Klassennummer"}, [],
    ),
    "a claim": (
        make(claim=SAY, evidence=ASK, label=["yes", "no"]), (),
        {"prompt": ["claim", "evidence"], "completion": "label"}, [],
    ),
    "the longest text": (
        make(Title="Hall {}", Genre=["a", "b"], Plot=SAY + SAY), (),
        {"prompt": ["Title", "Plot"], "completion": "Genre"}, [],
    ),
    "a word of a client": (
        make(**{"Objet": "Hall {}", "Message du client": SAY, "Réponse envoyée": SAY + " so"}), (),
        {"prompt": ["Objet", "Message du client"], "completion": "Réponse envoyée"}, [],
    ),
    "text with remarks": (make(text=SAY, meta=lambda n: {"set": f"s{n % 3}"}), (), {"text": "text"}, []),
    "its own method": (make(text=SAY, author=["EAP", "HPL"]), ("text",), {"text": "text"}, []),
    "a list of one class": (
        make(text=SAY, label=[["good"], ["bad"]]), (), {"prompt": "text", "completion": "label", "take": "only"}, [],
    ),
    "short values": (
        make(text=SAY + " a b", label=["a", "b"], guess=["b", "b", "a"]), ("conversation",), {"prompt": "text"},
        ["label"],
    ),
    "one direction": (
        make(src=SAY, tgt=ASK, src_lang=["en"], tgt_lang=["de"]), (), {"prompt": "src", "completion": "tgt"}, [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPEN)
def test_what_may_be_meant_is_a_question(name: str) -> None:
    rows, keys = OPEN[name]
    meaning = decide(rows)
    assert not meaning.certain, meaning.reading
    assert {reading.key for reading in meaning.readings} == set(keys)
    for reading in meaning.readings:  # what is printed works
        assert decide(rows, columns=reading.mapping).reading.mapping == reading.mapping


@pytest.mark.parametrize("name", LEARNT)
def test_what_is_learnt(name: str) -> None:
    rows, kinds, mapping, lost = LEARNT[name]
    meaning = decide(rows, kinds=kinds)
    assert mapping.items() <= meaning.reading.mapping.items() and meaning.lost == lost
    assert meaning.certain or lost


PRINTED: dict[str, Rows] = {  # the columns that are printed for each reading must give what is shown
    "ranked answers": make(instruction=ASK, generations=lambda n: [SAY, "no"], ratings=lambda n: [5, n % 4]),
    "judged talks": make(
        conversations=lambda n: [{"from": "human", "value": ASK}, {"from": "gpt", "value": f"{SAY} {n}"}],
        quality=["good", "bad"],
    ),
    "choices, or something else of their row": make(
        question=ASK, fact=SAY, choices=lambda n: ["x", "y"], answer=["A", "B"], explanation=SAY + " so",
    ),
    "a domain next to thoughts": make(problem=ASK, thinking=SAY, solution=SAY + " so", attempt=SAY, domain=["a", "b"]),
    "judged answers from a passage": make(
        paragraph=SAY, question=ASK, answer=lambda n: f"hall {n}", label=[0, 1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kinds", [(), ("conversation",), ("preference", "conversation"), ("rating",)])
@pytest.mark.parametrize("name", PRINTED)
def test_what_is_printed_gives_what_is_shown(name: str, kinds: tuple[str, ...]) -> None:
    rows = PRINTED[name]
    for number, reading in enumerate(decide(rows, kinds=kinds).readings, 1):
        shown = render_row(reading, rows)
        assert shown and render_row(decide(rows, columns=reading.mapping, kinds=kinds).reading, rows) == shown
        assert render_row(decide(rows, kinds=kinds, pick=number).reading, rows) == shown


def test_a_first_column_called_name_may_hold_the_question() -> None:
    """Notion's tables begin with one; its questions were left out, and the tags of the answers were learnt."""
    meaning = decide(make(Name=ASK, Tags=["billing", "howto"], Answer=SAY))
    assert not meaning.certain and meaning.reading.mapping == {"prompt": "Name", "completion": "Answer"}


@pytest.mark.parametrize(
    "names", ["سؤال,جواب,التقييم", "שאלה,תשובה,דירוג", "Ερώτηση,Απάντηση,Βαθμολογία", "Câu hỏi,Câu trả lời,Đánh giá"]
)
@pytest.mark.parametrize("values", ["1,2,5", "جيد,سيئ", "tốt,xấu"])
def test_verdicts_on_answers_in_further_languages(names: str, values: str) -> None:
    """Question and answer together were learnt as a text, the verdict as its class."""
    question, answer, verdict = names.split(",")
    rows = make(**{question: "متى {}؟ " + SAY, answer: SAY, verdict: values.split(",")})
    meaning = decide(rows, kinds=("conversation",))
    assert not meaning.certain and [reading.key for reading in meaning.readings] == ["good", "all", "rate"]


def test_feedback_of_the_user_judges_the_answer() -> None:
    meaning = decide(make(user_query=ASK, bot_response=SAY, user_feedback=["\U0001f44d", "\U0001f44e", ""]))
    assert not meaning.certain and meaning.readings[2].mapping["label"] == "user_feedback"


@pytest.mark.parametrize("learnt", ["label", "spans", "accept"])
def test_decisions_of_an_annotator_are_no_answers(learnt: str) -> None:
    """Prodigy's ``answer`` is accept, reject or ignore; it was learnt. The columns that the error names work."""
    rows = make(
        text=SAY, **{learnt: lambda n: [f"class {n % 2}"]}, answer=["accept", "reject", "ignore"], _task_hash=[1]
    )
    with pytest.raises(GaslampError, match="annotations of Prodigy") as error:
        decide(rows)
    columns = {"prompt": "text", "completion": learnt, "keep": "answer", "good_if": "accept"}
    assert ", ".join(f'{role}: "{value}"' for role, value in columns.items()) in str(error.value)
    reading = decide(rows, columns=dict(columns)).reading
    convert = registry.get("formats", reading.format).convert
    assert convert_kept(convert, rows[0], reading.mapping)["messages"][0]["content"] == SAY.replace("{}", "0")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp932", "\u756a\u53f7,\u533a\u5206,memo\n{},\u8acb\u6c42,\u30c6\u30b9\u30c8"),  # Korean, or a Mac's
        ("cp932", "\u554f\u3044,\u540d\n\u5546\u54c1{}\u306f\u3044\u3064\u3067\u3059\u304b,\u7530\u4e2d"),
        ("cp949", "\uc9c8\ubb38,\ub2f5\ubcc0\n{}\ubc88 \uc8fc\ubb38\uc740 \uc5b8\uc81c \ub418\ub098\uc694,\ub0b4"),
        ("cp1254", "Soru\n{} numaral\u0131 sipari\u015f ne zaman gelir, de\u011fi\u015fir mi?"),
        ("cp1252", "Spurning\nHven\u00e6r kemur p\u00f6ntun {}? H\u00fan er \u00fea\u00f0 n\u00fd"),  # Icelandic
        ("cp850", "Frage\nWann \u00f6ffnet Halle {} f\u00fcr \u00c4rzte, gro\u00dfer Saal sp\u00e4ter"),
        ("cp850", "Pregunta\n\u00bfCu\u00e1ndo abre el sal\u00f3n {} ma\u00f1ana?"),
        ("mac_roman", "Frage\nWann \u00f6ffnet Halle {} fr\u00fch, gro\u00dfer Saal sp\u00e4ter"),
    ],
)  # fmt: skip
def test_encodings_that_were_taken_for_others(encoding: str, text: str) -> None:
    data = "\n".join(text.replace("{}", str(number)) for number in NUMBERS).encode(encoding)
    assert data.decode(detect_encoding(data) or "") == data.decode(encoding)
