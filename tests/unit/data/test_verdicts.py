"""Which of two answers is better, however a file says it; what can be read in two ways is shown in both."""

from __future__ import annotations

from typing import Any

import pytest
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.data.meaning import decide
from gaslamp.data.meaning.examples import check_certain
from gaslamp.data.meaning.published import apply_columns
from gaslamp.data.rows import LeftOut
from gaslamp.data.transcripts import is_transcript, split_transcript

PAIR = ("response_a", "response_b")
Row = dict[str, Any]


def make(column: str, verdicts: list[Any], names: tuple[str, str] = PAIR, prompt: str = "prompt") -> list[Row]:
    """Rows whose answers begin with A and B, with a verdict each."""
    return [
        {prompt: f"Question {n}?", names[0]: f"A {n} first", names[1]: f"B {n} second", column: verdict}
        for n, verdict in enumerate(verdicts)
    ]


def read(rows: list[Row], **settings: Any) -> str:
    """The first letter of each row's chosen answer; ``=`` a tie, ``!`` an error of the row."""
    meaning = decide(rows, kinds=("preference",), **settings)
    check_certain(meaning, rows, ("preference",))
    return "".join(pick(row, meaning.reading.format, meaning.reading.mapping) for row in rows)


def pick(row: Row, name: str, mapping: Any) -> str:
    try:
        made = registry.get("formats", name).convert(row, mapping)
    except LeftOut:
        return "="
    except ValueError:
        return "!"
    first, second = (made[side][-1]["content"][0] for side in ("chosen", "rejected"))
    assert first != second
    return str(first)


CERTAIN: list[tuple[str, list[Row], str]] = [
    ("spellings", make("winner", ["A", "b", "Model A", "model_b", "response_a", "Response B", " a "]), "ABABABA"),
    ("ties", make("winner", ["a", "tie", "Tie (bothbad)", "both bad", "neither", "same", None, "", "b"]), "A=======B"),
    ("1 and 2", make("winner", [1, 2, 1, 2]), "ABAB"),
    ("1 and 2 as text", make("winner", ["1", "2", "2", "1"]), "ABBA"),
    ("1 and 2 as floats", make("winner", [1.0, 2.0]), "AB"),
    ("numbers and words", make("winner", [1, "2", "A", "tie", 2, "b"]), "ABA=BB"),
    ("the number of the answer", make("chosen", [0, 1, 0, 1], ("answer_0", "answer_1")), "ABAB"),
    ("no number", make("better_response_id", [0, 1, -1], ("response_0", "response_1")), "AB="),
    ("PandaLM", make("annotator1", [0, 1, 2], ("response1", "response2"), "instruction"), "=AB"),
    ("AlpacaEval", make("preference", [1.2, 1.9, 1.5, 2.0], ("output_1", "output_2"), "instruction"), "AB=B"),
    ("HelpSteer3", make("overall_preference", [-3, 2, 0, -1], ("response1", "response2"), "context"), "AB=A"),
    ("HelpSteer2", make("preference_strength", [-1, 1, 2, 1], ("response_1", "response_2")), "ABBB"),
    ("SHP", make("labels", [1, 0, 1], ("human_ref_A", "human_ref_B"), "history"), "ABA"),
    ("a judge", make("verdict", ["[[A]]", "[[B]]", "[[C]]"]), "AB="),
    ("arena-hard", make("judgment", ["A>>B", "A>B", "A=B", "B>A", "B>>A", "A<B"]), "AA=BBB"),
    (
        "sentences",
        make("winner", ["A is better", "B is better than A", "Response A over Response B", "A is worse"]),
        "ABA!",
    ),
    ("left and right", make("winner", ["left", "right", "draw"], ("left_response", "right_response")), "AB="),
    ("first and second", make("winner", ["first", "second", "equal"]), "AB="),
    ("a flag of one side", make("a_is_better", [True, False, True]), "ABA"),
    ("a flag of the other side", make("is_b_better", [True, False]), "BA"),
    ("German", make("Gewinner", ["A", "B", "Unentschieden"], ("Antwort A", "Antwort B"), "Frage"), "AB="),
    ("letters alone", make("winner", ["a", "b", "tie"], ("a", "b")), "AB="),
    ("a prefix", make("orig_preference", ["A", "B"], ("orig_response_A", "orig_response_B"), "orig_instruction"), "AB"),
    ("the text itself", [{**row, "chosen": row[PAIR[n % 2]]} for n, row in enumerate(make("x", [1, 1, 1]))], "ABA"),
    (
        "names of models",
        [{**row, "model_a": "gpt", "model_b": "llama"} for row in make("winner", ["gpt", "llama", "tie"])],
        "AB=",
    ),
    (
        "one model on both sides",
        [{**row, "model_a": "gpt", "model_b": "gpt"} for row in make("winner", ["gpt", "model_b", "a"])],
        "!BA",
    ),
    ("ranks", [{**row, "rank_a": a, "rank_b": 3 - a} for a, row in enumerate(make("x", [0, 0, 0]), 0)], "AAB"),
    (
        "scores of a table",
        [{**row, "score_a": a, "score_b": "1"} for a, row in zip(("2", "1", "0"), make("x", [1, 1, 1]), strict=True)],
        "A=B",
    ),
]


@pytest.mark.parametrize(("rows", "wanted"), [case[1:] for case in CERTAIN], ids=[case[0] for case in CERTAIN])
def test_what_a_file_says(rows: list[Row], wanted: str) -> None:
    assert read(rows) == wanted


OPEN: list[tuple[str, list[Row], list[str]]] = [
    ("0 and 1", make("winner", [0, 1, 0]), ["ABA", "BAB"]),
    ("0 and 1 of answers 1 and 2", make("winner", [0, 1, 0], ("answer_1", "answer_2")), ["ABA", "BAB"]),
    ("true and false", make("preferred", [True, False]), ["AB", "BA"]),
    ("0, 1 and 2", make("winner", [0, 1, 2]), ["AB=", "=AB"]),
    ("signs", make("winner", [-1, 0, 1]), ["A=B", "B=A"]),
    ("a scale", make("winner", [1, 4, 7]), ["A=B", "B=A"]),
    ("a share", make("winner", [0.1, 0.5, 0.9]), ["B=A", "A=B"]),
    (
        "two columns",
        [{**row, "safer_response_id": 0} for row in make("better_response_id", [0, 1], ("response_0", "response_1"))],
        ["AB", "AA"],
    ),
]


@pytest.mark.parametrize(("rows", "wanted"), [case[1:] for case in OPEN], ids=[case[0] for case in OPEN])
def test_what_can_be_read_in_two_ways_shows_both_and_takes_the_picked(rows: list[Row], wanted: list[str]) -> None:
    meaning = decide(rows, kinds=("preference",))
    with pytest.raises(GaslampError) as caught:
        check_certain(meaning, rows, ("preference",))
    lines = caught.value.cause.splitlines()
    shown = [line.split()[1] for line in lines if line.strip().startswith("chosen")]
    assert set(shown) == {"A", "B"}, "the row that is shown sets the readings apart"
    assert [read(rows, pick=number) for number in range(1, len(wanted) + 1)] == wanted
    for reading, letters in zip(meaning.readings, wanted, strict=True):
        name, mapping = apply_columns(rows, list(rows[0]), "auto", reading.mapping, ("preference",))
        assert "".join(pick(row, name, mapping) for row in rows) == letters, "the printed line says the same"


def test_a_format_that_is_named_leaves_an_open_number_open() -> None:
    assert not decide(make("winner", [0, 1]), "compared", kinds=("preference",)).certain
    rows = make("winner", [0, 1])
    columns: Any = {"prompt": "prompt", "first": "response_a", "second": "response_b", "winner": "winner"}
    with pytest.raises(GaslampError, match="can be read in 2 ways") as caught:
        decide(rows, columns=columns, kinds=("preference",))
    assert 'first_if: "0", second_if: "1" or first_if: "1", second_if: "0"' in caught.value.fix
    assert read(rows, columns={**columns, "first_if": "1", "second_if": "0"}) == "BA"


def test_two_answers_without_a_verdict_say_what_is_missing_and_any_words_can_be_named() -> None:
    rows = make("winner", ["gut", "schlecht", "gut", "egal"])
    with pytest.raises(GaslampError, match="no column says which is better: column 'winner' is gut") as caught:
        decide(rows, kinds=("preference",))
    fix = 'data.columns: {prompt: "prompt", first: "response_a", second: "response_b", winner: "winner", first_if: ...'
    assert fix in caught.value.fix
    named: Any = {"prompt": "prompt", "first": PAIR[0], "second": PAIR[1], "winner": "winner"}
    assert read(rows, columns={**named, "first_if": "gut", "second_if": "schlecht"}) == "ABA="


LISTS: list[tuple[str, Row, str]] = [
    (
        "ranks",
        {"answers": [{"answer": "B", "rank": 2}, {"answer": "A", "rank": 1}, {"answer": "x", "rank": None}]},
        "A",
    ),
    ("scores", {"responses": ["B", "A"], "scores": [0.1, 0.9]}, "A"),
    ("all scores equal", {"responses": ["B", "A"], "scores": [1, 1]}, "="),
    ("one score", {"answers": [{"answer": "B", "score": 2}, {"answer": "A", "score": None}]}, "!"),
    ("votes and a mark", {"answers": [{"text": "A", "pm_score": 9}, {"text": "B", "pm_score": 1}]}, "A"),
    ("the accepted one", {"answers": [{"body": "B", "accepted": False}, {"body": "A", "accepted": True}]}, "A"),
    ("a letter", {"responses": ["B", "A"], "best": "B"}, "A"),
    ("a number from 1", {"responses": ["B", "A"], "best": 2}, "A"),
    ("a number from 0", {"responses": ["A", "B"], "choice": 0}, "A"),
    ("lists of one", {"chosen": ["A"], "rejected": ["B"]}, "A"),
    ("several rejected", {"chosen": "A", "rejected": ["B", "C"]}, "!"),
    ("objects without a role", {"chosen": {"content": "A", "score": 2}, "rejected": {"content": "B", "score": 1}}, "A"),
    ("the scores say the opposite", {"chosen": "A", "rejected": "B", "chosen_score": "1", "rejected_score": "4"}, "!"),
    ("distilabel's tie", {"chosen": "A", "rejected": "B", "status": "tie"}, "="),
]


@pytest.mark.parametrize(("row", "wanted"), [case[1:] for case in LISTS], ids=[case[0] for case in LISTS])
def test_the_best_and_the_worst_of_a_list(row: Row, wanted: str) -> None:
    assert read([{"prompt": "Question?", **row}]) == wanted


def test_an_index_that_can_count_from_0_or_1_is_shown_in_both() -> None:
    rows = [{"prompt": f"Q {n}", "responses": ["A", "B", "C"], "best": 1 + n % 2} for n in range(4)]
    meaning = decide(rows, kinds=("preference",))
    assert not meaning.certain
    assert [read(rows, pick=number) for number in (1, 2)] == ["BCBC", "ABAB"]


def test_tools_and_inputs_of_compared_rows_are_read() -> None:
    row = {"instruction": "Sum up", "input": "a text", "tools": [{"name": "f", "parameters": {}}]}
    row |= {"output_1": "A", "output_2": "B", "preference": 1}
    reading = decide([row], kinds=("preference",)).reading
    made = registry.get("formats", reading.format).convert(row, reading.mapping)
    assert made["prompt"] == [{"role": "user", "content": "Sum up\n\na text"}]
    assert made["tools"] == [{"type": "function", "function": {"name": "f", "parameters": {}}}]


TRANSCRIPTS: list[tuple[str, list[tuple[str, str]]]] = [
    ("\n\nHuman: q\n\nAssistant:", [("user", "q")]),
    ("\n\nHuman: q \n\nAssistant: ", [("user", "q")]),
    ("\n\nHuman:  q \n\nAssistant: a\n", [("user", " q "), ("assistant", "a\n")]),
    (
        "\n\nHuman: one\nHuman: two\n\nAssistant: a\n\nb\n\nHuman: c\n\nAssistant:",
        [("user", "one\nHuman: two"), ("assistant", "a\n\nb"), ("user", "c")],
    ),
    ("prompter: q\nassistant: a\nprompter: why?", [("user", "q"), ("assistant", "a"), ("user", "why?")]),
    ("User: q\nAssistant:", [("user", "q")]),
    ("Human: q\n\nAssistant:", [("user", "q")]),
    ("### Human: q### Assistant: a", [("user", "q"), ("assistant", "a")]),
]


@pytest.mark.parametrize(("text", "turns"), TRANSCRIPTS)
def test_transcripts_become_turns(text: str, turns: list[tuple[str, str]]) -> None:
    assert is_transcript(text)
    assert [(turn["role"], turn["content"]) for turn in split_transcript(text)] == turns


@pytest.mark.parametrize("text", ["Human: hello", "What does User: mean?", "Ask the assistant:", "q\n\nHuman: a", ""])
def test_questions_that_only_name_a_speaker_stay(text: str) -> None:
    assert not is_transcript(text)


OTHERS: list[tuple[str, Row]] = [
    ("passages", {"query": "a question", "positive_text": "a passage that fits", "negative_text": "another passage"}),
    ("corrections", {"incorrect_text": "He go to the house", "correct_text": "He goes to the house"}),
    ("code that is fixed", {"bad_code": "x = 1 / 0  # broken", "good_code": "x = 1 / 1  # right"}),
    ("a pair of sentences", {"text_1": "He goes to the house", "text_2": "He walks home again", "label": 1}),
    ("choices", {"question": "Which is a metal?", "choices": ["wood", "iron"], "answer": 1}),
]


@pytest.mark.parametrize("row", [case[1] for case in OTHERS], ids=[case[0] for case in OTHERS])
def test_names_that_say_good_and_bad_of_something_else_are_no_preferences(row: Row) -> None:
    rows = [
        {name: f"{value} {n}" if isinstance(value, str) else value for name, value in row.items()} for n in range(9)
    ]
    assert all(reading.kind != "preference" for reading in decide(rows).readings)
