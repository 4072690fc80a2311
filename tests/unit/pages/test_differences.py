"""Examples: which are chosen, how JSON is laid out, and which words are marked."""

from __future__ import annotations

import facts
import pytest
from gaslamp.pages.differences import choose, get_label, lay_out, mark


@pytest.mark.parametrize("limit", range(1, 8))
def test_choice_keeps_the_regression(limit: int) -> None:
    chosen = choose(facts.examples(), limit)
    assert len(chosen) == min(limit, 5)
    kinds = [example.change for example in chosen]
    assert "improved" in kinds
    assert ("regressed" in kinds) == (limit > 1)


def test_choice_when_everything_regressed() -> None:
    worse = [example.model_copy(update={"change": "regressed"}) for example in facts.examples()]
    assert choose(worse, 3) == worse[:3]


def test_label_is_cut_and_answers_are_not() -> None:
    example = facts.examples()[0]
    assert len(get_label(example)) <= 50 and get_label(example).endswith("…")
    assert get_label(facts.examples()[2]) == "four espressos, takeaway, for Priya"


def test_layout_keeps_every_character_of_numbers_and_keys() -> None:
    assert lay_out('{"a": 4.50, "a": 1e3, "ü": [true, null]}') == '{\n  "a": 4.50,\n  "a": 1e3,\n  "ü": [true, null]\n}'
    for text in ("not json", "12", '"word"', '{"a": NaN}', "", "[" * 5000):
        assert lay_out(text) is None


@pytest.mark.parametrize("answer", ["", "one two", "one  green\ntwo", "x" * 9000, "a " * 5000, facts.HOSTILE])
def test_marks_concatenate_to_the_answer(answer: str) -> None:
    assert "".join(piece for piece, _ in mark(answer, "one two three")) == answer


def test_marks_name_the_words_that_differ() -> None:
    assert [piece.strip() for piece, differs in mark("one green tea", "one tea") if differs] == ["green"]
    assert not any(differs for _, differs in mark("one tea", "one tea"))
    assert not any(differs for _, differs in mark("something else entirely here", '{"a": 1}'))
