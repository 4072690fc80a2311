"""Tables and rows that people brought: what is learnt of the first row, or which readings are offered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
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


@pytest.mark.parametrize("names", ["question,answer,rank", "pytanie,odpowiedź,ocena", "Frage,Antwort,Bewertung"])
def test_an_unknown_judgement_of_known_answers_is_a_question(names: str) -> None:
    """Every answer was learnt, the worst too, with no more than a note on a column that nothing reads."""
    question, answer, verdict = names.split(",")
    values = ("1", "2", "3") if verdict == "rank" else ("blorp", "fnord")
    rows = [{**row, question: ask(n // 3)} for n, row in enumerate(judge(question, answer, verdict, *values))]
    assert not decide(rows, kinds=("conversation",)).certain


def test_sentences_without_blanks_are_no_codes() -> None:
    rows: Rows = [
        {"\u4e2d\u6587": f"\u8fd9\u662f{n}\u53f7\u5385\u5728\u5de6\u8fb9", "\u82f1\u6587": say(n)} for n in NUMBERS
    ]
    meaning = decide(rows, kinds=("conversation",))
    assert meaning.certain and meaning.reading.key == "translate \u4e2d\u6587 \u82f1\u6587"


def test_two_columns_of_classes_are_a_question_whatever_their_names() -> None:
    """``category_path`` was taken for a path of pictures, and the brand for the class."""
    rows: Rows = [
        {"title": f"Lamp {n}", "description": say(n), "brand": "XY"[n % 2], "category_path": ("a > b", "a > c")[n % 2]}
        for n in range(30)
    ]
    assert not decide(rows, kinds=("conversation",)).certain


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


PASSAGES: dict[str, tuple[Any, str]] = {  # a cell of context, and the text in front of the question
    "text": ("The hall is\n\nold.", "The hall is\n\nold."),
    "texts": (["One.", "Two.\n"], "One.\n\nTwo."),
    "json": ('["One.", "Two."]', "One.\n\nTwo."),
    "python": ("['One.', \"It's two.\"]", "One.\n\nIt's two."),
    "langchain": ([{"page_content": "One.", "metadata": {"p": 1}}, {"page_content": "Two."}], "One.\n\nTwo."),
    "titles": ([{"title": "A", "text": "One."}, {"title": "", "text": "Two."}], "A\nOne.\n\nTwo."),
    "hotpot": ({"title": ["A", "B"], "sentences": [["One.", " Two."], ["Three."]]}, "A\nOne. Two.\n\nB\nThree."),
    "pairs": ([["A", ["One.", "Two."]]], "A\nOne. Two."),
    "pubmed": ({"contexts": ["One.", "Two."], "labels": ["AIM", "RESULT"], "meshes": ["X"]}, "One.\n\nTwo."),
    "marco": ({"is_selected": [0, 1], "passage_text": ["One.", "Two."], "url": ["a", "b"]}, "One.\n\nTwo."),
    "json of a program": ('{"name": 1.50}', '{"name": 1.50}'),
}


@pytest.mark.parametrize("column", ["contexts", "retrieved_contexts", "passages", "context", "Kontexte"])
@pytest.mark.parametrize("name", PASSAGES)
def test_passages_stand_in_front_of_the_question(name: str, column: str) -> None:
    cell, text = PASSAGES[name]
    rows = [{"question": ask(n), column: cell, "answer": say(n)} for n in NUMBERS]
    rows += [{"question": ask(99), column: f"Other {name}", "answer": say(99)}]
    meaning = decide(rows, kinds=("conversation",))
    assert meaning.certain and meaning.reading.mapping["context"] == column and not meaning.lost
    made = registry.get("formats", meaning.reading.format).convert(rows[0], meaning.reading.mapping)
    assert [turn["content"] for turn in made["messages"]] == [f"{text}\n\n{ask(0)}", say(0)]


LISTS: dict[str, tuple[Any, list[str]]] = {  # the cells of a column of answers, and what is learnt of the first row
    "one": ([["A0"], ["A1"]], ["A0"]),
    "one, twice": ([["A0", "A0"], ["A1"]], ["A0"]),
    "one as text": (['["A0"]', "['A1']"], ["A0"]),
    "several": ([["A0", "B0"], ["A1"]], ["A0", '["A0","B0"]']),
    "numbers": ([[1], [2]], ["1"]),
}


@pytest.mark.parametrize("column", ["ground_truths", "answers", "references", "Antworten"])
@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_one_answer_is_that_answer(name: str, column: str) -> None:
    cells, learnt = LISTS[name]
    rows = [{"question": ask(n), column: cells[n % 2]} for n in NUMBERS]
    meaning = decide(rows, kinds=("conversation",))
    assert meaning.certain == (len(learnt) == 1)
    readings = [one for one in meaning.readings if one.kind == "conversation"]
    made = [registry.get("formats", one.format).convert(rows[0], one.mapping) for one in readings]
    assert [row["messages"][-1]["content"] for row in made] == learnt
    columns = readings[0].mapping
    assert decide(rows, columns=columns, kinds=("conversation",)).reading.mapping == columns, "what is printed works"
    later = {**rows[0], column: ["A0", "B0"]}
    if len(learnt) == 1:  # behind the sample
        with pytest.raises(ValueError, match="2 different answers: take: first or list in data.columns"):
            registry.get("formats", readings[0].format).convert(later, columns)


def test_a_list_of_labels_stays_one() -> None:
    rows = [{"text": ask(n), "keywords": [f"k{n}", "x"][: 1 + n % 2]} for n in NUMBERS]
    assert "take" not in decide(rows, kinds=("conversation",)).reading.mapping


THOUGHTS = ("thinking_trajectories", "reasoning_steps", "Complex_CoT", "reasoning_trace", "gemini_thinking_trajectory")


@pytest.mark.parametrize("column", THOUGHTS)
@pytest.mark.parametrize("is_list", [False, True])
def test_thoughts_stand_in_front_of_the_answer(column: str, is_list: bool) -> None:
    rows: Rows = []
    for n in NUMBERS:
        thought = f"Hm. {say(n)}"
        rows.append({"question": ask(n), column: [thought] if is_list else thought, "answer": say(n)})
    meaning = decide(rows, kinds=("conversation",))
    assert meaning.certain and meaning.reading.mapping["reasoning"] == column
    made = registry.get("formats", meaning.reading.format).convert(rows[0], meaning.reading.mapping)
    assert made["messages"][-1]["content"] == f"<think>\nHm. {say(0)}\n</think>\n\n{say(0)}"


def test_thoughts_belong_to_the_answer_of_their_model() -> None:
    """s1K and s1K-1.1: the solution of the book was learnt, and an answer of a model with it is a question."""
    one: Rows = []
    two: Rows = []
    for n in NUMBERS:
        own = {"question": ask(n), "cot": None}
        thoughts = {"thinking_trajectories": [f"Hm, {WORDS} {n}"]}
        one.append({"solution": f"By the book {WORDS} {n}", **own, **thoughts, "attempt": say(n)})
        made = {f"{m}_thinking_trajectory": f"{m} thinks {WORDS} {n}" for m in ("gemini", "deepseek")}
        two.append({**own, **made, **{f"{m}_attempt": f"{m}: {say(n)}" for m in ("gemini", "deepseek")}})
    meaning = decide(one, kinds=("conversation",))
    readings = [reading.mapping for reading in meaning.readings[:2]]
    assert not meaning.certain and {str(mapping["completion"]) for mapping in readings} == {"attempt", "solution"}
    assert {str(mapping["reasoning"]) for mapping in readings} == {"thinking_trajectories"}
    meaning = decide(two, kinds=("conversation",))
    found = {reading.mapping.get("completion"): reading.mapping.get("reasoning") for reading in meaning.readings}
    assert not meaning.certain and found["gemini_attempt"] == "gemini_thinking_trajectory"
    assert found["deepseek_attempt"] == "deepseek_thinking_trajectory"


def exam(answers: list[Any], lists: list[str] | None = None) -> Rows:
    """Twelve questions with four choices each."""
    rows = []
    for n in NUMBERS:
        texts = [f"{n}{mark}" for mark in "wxyz"] if lists is None else lists
        rows.append({"question": ask(n), "choices": texts, "answer": answers[n % len(answers)]})
    return rows


EXAMS: dict[str, tuple[Rows, list[str]]] = {  # rows, and the answer of the first in each reading
    "from 0": (exam([1, 0, 2, 3]), ["B. 0x"]),
    "from 1": (exam([1, 2, 4, 3]), ["A. 0w"]),
    "as text": (exam(["1", "2", "4", "3"]), ["A. 0w"]),
    "as pandas writes it": (exam(["1.0", "2.0", "4.0", "3.0"]), ["A. 0w"]),
    "open": (exam([1, 2, 3]), ["B. 0x", "A. 0w"]),
    "choices that are numbers": (exam([2, 0, 1, 3], ["8", "2", "24", "120"]), ["C. 24"]),
    "texts that are numbers": (exam(["24", "8", "2"], ["8", "2", "24", "120"]), ["C. 24"]),
    "letters": (exam(["(B)", "a.", "C"]), ["B. 0x"]),
    "letter and text": (exam([f"B. {n}x" for n in NUMBERS]), ["B. 0x"]),
    "in capitals": (exam([f"{n}X" for n in NUMBERS]), ["B. 0x"]),
    "columns from 1": (
        [
            {"question": ask(n), **{f"option{k}": f"{n}-{k}" for k in (1, 2, 3, 4)}, "answer": 1 + n % 3}
            for n in NUMBERS
        ],
        ["A. 0-1"],
    ),
    "marked": (
        [{"question": ask(n), "mc1_targets": {"choices": [f"{n}w", f"{n}x"], "labels": [0, 1]}} for n in NUMBERS],
        ["B. 0x"],
    ),
    "gaps": (
        [
            {"sentence": f"Ann saw _ {n}", "option1": f"{n}w", "option2": f"{n}x", "answer": str(1 + n % 2)}
            for n in NUMBERS
        ],
        ["A. 0w"],
    ),
    "stems": (
        [
            {"question_stem": ask(n), "choices": {"text": ["w", "x"], "label": ["A", "B"]}, "answerKey": "B"}
            for n in NUMBERS
        ],
        ["B. x"],
    ),
    **{
        names: (
            [
                dict(zip(names.split(","), (ask(n), f"{n}w", f"{n}x", f"{n}y", "bca"[n % 3]), strict=True))
                for n in NUMBERS
            ],
            ["B. 0x"],
        )
        for names in (
            "Frage,Antwort A,Antwort B,Antwort C,Richtig",
            "pregunta,opción a,opción b,opción c,respuesta correcta",
            "Question,Choix 1,Choix 2,Choix 3,Bonne réponse",
            "题目,选项A,选项B,选项C,正确答案",
            "вопрос,вариант 1,вариант 2,вариант 3,правильный ответ",
        )
    },
    "some with two choices": (
        [{"question": ask(n), "A": "yes", "B": "no", "C": "" if n % 2 else "maybe", "answer": "B"} for n in NUMBERS],
        ["B. no"],
    ),
}


@pytest.mark.parametrize("name", EXAMS)
def test_numbers_of_choices(name: str) -> None:
    """``answer: 2`` was the choice that reads 2, and the last of four was none of the choices."""
    rows, learnt = EXAMS[name]
    meaning = decide(rows, kinds=("conversation",))
    readings = [one for one in meaning.readings if one.format == "choices"]
    assert meaning.certain == (len(learnt) == 1)
    convert = registry.get("formats", "choices").convert
    made = [[convert(row, one.mapping)["messages"][-1]["content"] for row in rows] for one in readings]
    assert [answers[0] for answers in made] == learnt
    for one in readings:
        again = decide(rows, columns=one.mapping, kinds=("conversation",)).reading
        assert convert(rows[0], again.mapping) == convert(rows[0], one.mapping)


READ: dict[str, tuple[Rows, list[tuple[str, str]]]] = {  # the prompts and answers of the first row, of each reading
    "instruction and question": (
        [{"instruction": f"Be brief {n}", "question": ask(n), "answer": say(n)} for n in NUMBERS],
        [(f"Be brief 0\n\n{ask(0)}", say(0))],
    ),
    "premise": (
        [
            {"premise": f"It {n}", "choice1": f"a{n}", "choice2": f"b{n}", "question": "cause", "label": n % 2}
            for n in NUMBERS
        ],
        [("It 0\n\ncause\n\nA. a0\nB. b0", "A. a0")],
    ),
    "spider": (
        [{"db_id": "d", "query": f"SELECT a FROM t{n}", "question": ask(n)} for n in NUMBERS],
        [(ask(0), "SELECT a FROM t0")],
    ),
    "code with tests": (
        [{"prompt": ask(n), "code": f"def f{n}(): pass", "test_list": [f"assert f{n}()"]} for n in NUMBERS],
        [(ask(0), "def f0(): pass")],
    ),
    "commits": (
        [{"diff": f"- old {WORDS} {n}\n+ new", "message": f"Fix {WORDS} {n}"} for n in NUMBERS],
        [(f"Fix {WORDS} 0", f"- old {WORDS} 0\n+ new"), (f"- old {WORDS} 0\n+ new", f"Fix {WORDS} 0")],
    ),
    "corrected": (
        [{"original": f"teh {say(n)}", "corrected": say(n), "edit_type": ("word", "style")[n % 2]} for n in NUMBERS],
        [(f"teh {say(0)}", "word"), (f"teh {say(0)}", say(0))],
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_read_and_learnt(name: str) -> None:
    rows, wanted = READ[name]
    meaning = decide(rows, kinds=("conversation",))
    assert meaning.certain == (len(wanted) == 1)
    made = [
        registry.get("formats", one.format).convert(rows[0], one.mapping) for one in meaning.readings[: len(wanted)]
    ]
    assert [tuple(turn["content"] for turn in row["messages"]) for row in made] == wanted


@pytest.mark.parametrize(
    "good", ["resposta escolhida", "선택된 답변", "gekozen antwoord", "bevorzugte Antwort", "chosen"]
)
def test_a_chosen_and_a_rejected_answer_are_a_preference(good: str) -> None:
    bad = {
        "r": "resposta rejeitada",
        "선": "거부된 답변",
        "g": "afgewezen antwoord",
        "b": "abgelehnte Antwort",
        "c": "rejected",
    }
    rows: Rows = [{"prompt": ask(n), bad[good[0]]: f"bad {n}", good: say(n)} for n in NUMBERS]
    reading = decide(rows).reading
    assert reading.kind == "preference" and reading.mapping["chosen"] == good


def test_a_scale_whose_name_says_its_ends_is_a_question() -> None:
    """``preference (1-7)`` was taken for a flag of the first answer: 1 was better, and all else a tie."""
    rows: Rows = [
        {"prompt": ask(n), "response 1": say(n), "response 2": f"B {n}", "preference (1-7)": 1 + n % 7} for n in NUMBERS
    ]
    meaning = decide(rows, kinds=("preference",))
    assert not meaning.certain
    assert [one.mapping["first_if"] for one in meaning.readings] == ["below 4", "above 4"]


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


@pytest.mark.parametrize(
    ("names", "values", "certain"),
    [
        ("prompt,completion,label", (True, False), True),
        ("prompt,response,thumbs_up", (1, 0), True),
        ("question,answer,label", (True, False), False),
        ("prompt,response,is_safe", (True, False), False),
        ("prompt,completion,score", (0.1, 0.9), False),
        ("prompt,response,toxicity_score", (0.05, 0.2, 0.45, 0.6, 0.8, 0.95), False),
        ("question,answer,stars", (1, 5), False),
    ],
)
def test_ratings_are_learnt_unasked_by_the_names_of_kto_alone(
    names: str, values: tuple[object, ...], certain: bool
) -> None:
    """The interview took any rating for kto, though it may as well choose the rows."""
    question, answer, label = names.split(",")
    rows = [{question: ask(n), answer: say(n), label: values[n % len(values)]} for n in NUMBERS]
    meaning = decide(rows)
    rates = next(reading for reading in meaning.readings if reading.key == "rate")
    assert meaning.certain == certain == (meaning.method == "kto")
    assert rates.mapping["label"] == label and rates.kind == "rating"


def test_two_thumbs_are_a_question() -> None:
    rows = [{"query": ask(n), "answer": say(n), "thumbs_up": n % 2, "thumbs_down": int(n % 3 == 0)} for n in NUMBERS]
    assert not decide(rows).certain


def test_choices_are_counted_from_the_first_column() -> None:
    """CosmosQA's answer0 was left out, and answer1 learnt as the first."""
    columns = [f"answer{number}" for number in range(4)]
    rows = [
        {"context": say(n), "question": ask(n), **{name: f"{name} {n}" for name in columns}, "label": n % 4}
        for n in NUMBERS
    ]
    meaning = decide(rows, kinds=("conversation",))
    learnt = registry.get("formats", meaning.reading.format).convert(rows[0], meaning.reading.mapping)
    assert meaning.certain and meaning.reading.mapping["choices"] == columns
    assert learnt["messages"][-1]["content"] == "A. answer0 0"


QUOTED = {
    "single": ("question,answer\n" + "".join(f"'{ask(n)}','Yes, it''s hall {n}'\n" for n in NUMBERS), "Yes, it's hall"),
    "blanks": ("question, answer\n" + "".join(f'{ask(n)}, "Yes, hall {n}"\n' for n in NUMBERS), "Yes, hall"),
    "speech": ("question,answer\n" + "".join(f'"{ask(n)}","\'Yes, hall {n}\'"\n' for n in NUMBERS), "'Yes, hall"),
}


@pytest.mark.parametrize("name", QUOTED)
def test_marks_around_cells_are_no_part_of_them(name: str, tmp_path: Path) -> None:
    text, start = QUOTED[name]
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    rows = read_sample(open_source(Config.model_validate({"data": {"source": str(tmp_path / "a.csv")}}).data), [])
    assert [row["question"] for row in rows] == [ask(n) for n in NUMBERS]
    assert all(row["answer"].startswith(start) for row in rows)


STACKED = {
    "header": "\nText,Label\n",
    "title": "\nThe second one\nText,Label\n",
    "commas": ",\n,\nText,Label\n",
    "blank line alone": "\n",
    "header again": "\nquestion,answer\n",
}


@pytest.mark.parametrize("name", STACKED)
def test_a_second_table_below_the_first_is_refused(name: str, tmp_path: Path) -> None:
    """Its header and rows were learnt as rows of the first."""
    half = "".join(f"{ask(n)},{say(n)}\n" for n in NUMBERS)
    (tmp_path / "a.csv").write_text(f"question,answer\n{half}{STACKED[name]}{half}", encoding="utf-8")
    source = open_source(Config.model_validate({"data": {"source": str(tmp_path / "a.csv")}}).data)
    if "Text" not in STACKED[name]:
        assert len(read_sample(source, [])) == 24
        return
    with pytest.raises(GaslampError, match=r"a second table begins below an empty line \(Text, Label\)"):
        read_sample(source, [])


def test_a_column_named_by_data_slice_is_no_question() -> None:
    """It was taken for information that is left out."""
    rows = [{"question": ask(n), "answer": say(n), "helpful_region": ("north", "south")[n % 2]} for n in NUMBERS]
    assert not decide(rows, kinds=("conversation",)).certain
    meaning = decide(rows, kinds=("conversation",), aside=("helpful_region",))
    assert meaning.certain and [(one.name, one.has_information) for one in meaning.unused] == [
        ("helpful_region", False)
    ]
    mails = [{"mail": say(n), "topic": ("bills", "travel")[n % 2]} for n in NUMBERS]
    learnt = decide(mails, kinds=("conversation",), aside=("topic",))
    assert learnt.certain and learnt.reading.mapping == {"prompt": "mail", "completion": "topic"}


NOUNS = ["hall", "lamp", "ship", "door", "tree", "road"]
NEIGHBOURS: dict[str, dict[str, Any]] = {  # what makes a class or an answer a question
    "word": {
        "word": NOUNS,
        "sentence1": [f"{WORDS}, the {noun} too" for noun in NOUNS],
        "sentence2": [f"the {noun} is old" for noun in NOUNS],
        "label": ["a", "b"],
    },
    "span": {"text": f"{WORDS} hall {{}}", "start": [3, 4], "end": [7, 9], "label": ["a", "b", "c"]},
    "number": {
        "company": "C{}",
        "industry": ["food", "trade"],
        "employees": [5, 20, 20, 90, 300, 5, 7],
        "mail": f"{WORDS} {{}}",
    },
    "follow up": {
        "question": f"What of {WORDS} {{}}?",
        "answer": f"So {WORDS} {{}}",
        "follow_up": f"And {WORDS} {{}}?",
    },
    "stars": {"comment": f"{WORDS} of {{}}", "starRating": ["FIVE", "ONE", "TWO"], "reviewReply": f"So {WORDS} {{}}"},
    "own name": {"text": f"{WORDS} of {{}}", "Sales": ["Sales", ""], "Help": ["", "Help"]},
}


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_what_stands_next_to_a_class_or_an_answer_is_a_question(name: str) -> None:
    """WiC without its word, a class without its span, an industry of a mail, a question that follows."""
    rows = [
        {
            key: cell.format(n) if isinstance(cell, str) else cell[n % len(cell)]
            for key, cell in NEIGHBOURS[name].items()
        }
        for n in range(30)
    ]
    assert not decide(rows).certain


def test_two_header_lines_of_surveymonkey_are_one(tmp_path: Path) -> None:
    """The second was learnt as a row, and the table had no header."""
    lines = "".join(f"{n},{ask(n)},{'Sales' if n % 2 else ''},{'' if n % 2 else 'Support'}\n" for n in NUMBERS)
    text = f"Respondent ID,What do you want?,Which team?,\n,Open-Ended Response,Sales,Support\n{lines}"
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    rows = read_sample(open_source(Config.model_validate({"data": {"source": str(tmp_path / "a.csv")}}).data), [])
    names = ["Respondent ID", "What do you want?", "Which team? Sales", "Which team? Support"]
    assert list(rows[0]) == names and list(rows[1].values()) == ["1", ask(1), "Sales", ""] and len(rows) == 12


def test_what_langfuse_has_no_expectation_for_is_its_output(tmp_path: Path) -> None:
    rows = [
        {
            "input": {"messages": [{"role": "user", "content": ask(n)}]},
            "output": {"role": "assistant", "content": say(n)},
            "expectedOutput": None,
        }
        for n in NUMBERS
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    read = read_sample(open_source(Config.model_validate({"data": {"source": str(tmp_path / "a.jsonl")}}).data), [])
    assert read[3]["output"] == say(3) and read[3]["messages"] == [{"role": "user", "content": ask(3)}]
