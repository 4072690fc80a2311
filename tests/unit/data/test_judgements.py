"""Columns that judge the answer next to them: by name and cells, in several languages."""

from __future__ import annotations

from typing import Any

import pytest
from gaslamp.core.files import JsonObject
from gaslamp.data.judgements import find_verdict, get_polarity, is_good
from gaslamp.data.meaning import decide
from gaslamp.data.rows import LeftOut


@pytest.mark.parametrize(
    ("name", "polarity"),
    [
        *(
            ("is_bad", -1),
            ("toxic", -1),
            ("isToxic", -1),
            ("bad_answer", -1),
            ("toxicity_score", -1),
            ("abgelehnt", -1),
        ),
        *(
            ("not_helpful", -1),
            ("nicht freigegeben", -1),
            ("rechazado", -1),
            ("rejeté", -1),
            ("有害", -1),
            ("unsafe", -1),
        ),
        *(("accepted", 1), ("is_correct", 1), ("answer ok", 1), ("freigegeben", 1), ("not_toxic", 1), ("是否正确", 1)),
        *(("language", 0), ("quality", 0), ("correct_date", 0), ("toxic_waste_topic", 0), ("category", 0)),
    ],
)
def test_names(name: str, polarity: int) -> None:
    assert get_polarity(name) == polarity


@pytest.mark.parametrize(
    ("name", "values", "found", "good", "bad"),
    [
        ("is_bad", ["0", "1"], {"good_if": "0"}, "0", "1"),
        ("harmful", ["no", "yes"], {"good_if": "no"}, "No", "YES"),
        ("abgelehnt", ["nein", "ja", ""], {"good_if": "nein"}, "nein", "ja"),
        ("flagged", ["", "x"], {"good_if": ""}, None, "x"),
        ("accepted", [True, False], {}, True, False),
        ("freigegeben", ["ja", "nein"], {}, "Ja", "nein"),
        ("quality", ["good", "bad", "neutral"], {}, "Good", "bad"),
        ("Bewertung", ["sehr gut", "mangelhaft"], {}, "gut", "Schlecht"),
        ("status", ["approved", "rejected", "pending"], {}, "approved", "Rejected"),
        ("toxicity", [0.1, 0.93, 0.4], {"threshold": "below 0.5"}, 0.2, "0.7"),
    ],
)
def test_verdicts(name: str, values: list[Any], found: JsonObject, good: object, bad: object) -> None:
    assert find_verdict(name, values * 4) == found
    assert is_good(good, name, found) is True and is_good(bad, name, found) is False


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("category", ["billing", "technical"]),
        ("color", ["green", "red"]),
        ("is_bad", ["0"]),  # nothing is bad
        ("accepted", ["yes"]),
        ("correct_answer", ["Paris", "Rome"]),
        ("language_ok", ["yes", "no"]),
        ("quality", ["good", "fast", "blue"]),
    ],
)
def test_columns_that_judge_nothing(name: str, values: list[str]) -> None:
    assert find_verdict(name, values * 4) is None


def test_a_cell_without_a_verdict_is_left_out() -> None:
    with pytest.raises(LeftOut, match="column 'status' has no rating"):
        is_good("pending", "status", {})
    with pytest.raises(ValueError, match="holds 'maybe': neither good nor bad"):
        is_good("maybe", "status", {})


def make_rows(column: str, values: tuple[str, ...], **more: str) -> list[dict[str, Any]]:
    return [
        {"question": f"What is item {n}?", "answer": f"It is thing {7 * n}.", **more, column: values[n % len(values)]}
        for n in range(12)
    ]


@pytest.mark.parametrize("name", ["rejected", "abgelehnt", "bad_answer"])
def test_flags_are_no_rejected_answers(name: str) -> None:
    """A column of yes and no is not the worse answer of a pair, whatever its name."""
    meaning = decide(make_rows(name, ("no", "yes")), kinds=("conversation",))
    assert not meaning.certain and [reading.key for reading in meaning.readings] == ["good", "all", "rate"]
    assert meaning.reading.mapping == {"prompt": "question", "completion": "answer", "keep": name, "good_if": "no"}


@pytest.mark.parametrize(
    ("rows", "kinds", "keys"),
    [
        ([{**row, "text": row["answer"]} for row in make_rows("toxic", ("0", "1"))], ("prompt",), None),
        (
            [{"text": f"A long enough text number {n}.", "is_spam": n % 2} for n in range(12)],
            ("text",),
            ["good", "all"],
        ),
        (
            [
                {"input_quality": row.pop("input_quality"), **row}
                for row in make_rows("input_quality", ("good", "poor"))
            ],
            ("conversation",),
            None,
        ),
    ],
    ids=["prompts", "texts", "of-the-question"],
)
def test_where_a_verdict_counts(rows: list[dict[str, Any]], kinds: tuple[str, ...], keys: list[str] | None) -> None:
    """Running text is filtered too; to prompts a verdict is a column for the reward; one on the question is none."""
    found = [reading.key for reading in decide(rows, kinds=kinds).readings]
    assert found == keys if keys else "good" not in found
