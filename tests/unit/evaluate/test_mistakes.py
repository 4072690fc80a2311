"""What is wrong with an answer, in words that group rows, and the steps that follow from the largest groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gaslamp.evaluate.mistakes import suggest_next
from planted_answers import chat, compare

TOOL = [{"type": "function", "function": {"name": "order"}}, {"type": "function", "function": {"name": "pay"}}]


def called(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def describe(folder: Path, wanted: str, given: str | dict[str, Any], others: list[str], **row: Any) -> list[str]:
    """The mistakes of one row among ten right ones of the same kind."""
    rows = [chat("x", "question x", wanted, **row), *(chat(n, f"q{n}", text) for n, text in enumerate(others))]
    answers = [given, *others]
    result, _, _ = compare(folder, [], rows, ["?"] * len(rows), answers, baselines=[])
    assert result.worst == (["x"] if result.wrong else [])
    return result.examples[0].mistakes


ORDERS = [json.dumps({"item": f"tea {n}", "size": "M", "extras": ["milk"]}) for n in range(12)]
CLASSES = ["spam", "ham"] * 6
SENTENCES = [f"this is the sentence number {n} of the letter" for n in range(12)]


@pytest.mark.parametrize(
    ("others", "wanted", "given", "mistakes"),
    [
        (ORDERS, ORDERS[0], '{"item": "tea 0", "size": "L", "extras": ["milk"]}', ["field size wrong"]),
        (ORDERS, ORDERS[0], '{"item": "tea 0", "size": "M", "extras": ["ice"]}', ["field extras[] wrong"]),
        (ORDERS, ORDERS[0], '{"item": "tea 0", "extras": ["milk"], "n": 1}', ["field size missing", "field n not wanted"]),  # noqa: E501
        (ORDERS, ORDERS[0], "one tea", ["no JSON"]),
        (ORDERS, ORDERS[0], {"text": '{"item": "te', "stopped": False, "tokens": 4}, ["cut at the limit"]),
        (ORDERS, ORDERS[0], "", ["no answer"]),
        (CLASSES, "spam", "Ham.", ["spam taken for ham"]),
        (CLASSES, "spam", "perhaps", ["no class of the data"]),
        (SENTENCES, SENTENCES[0], "this", ["much shorter than wanted"]),
        (SENTENCES, SENTENCES[0], "go " * 40 + "now", ["much longer than wanted"]),
        (SENTENCES, SENTENCES[0], "we have never met before, my dear old friend", ["other content"]),
        ([str(n) for n in range(12)], "7", "12", ["wrong number"]),
        ([str(n) for n in range(12)], "7", "many", ["no number"]),
        (CLASSES, "spam", "SPAM", []),
    ],
)  # fmt: skip
def test_what_is_wrong(tmp_path: Path, others: list[str], wanted: str, given: Any, mistakes: list[str]) -> None:
    assert describe(tmp_path, wanted, given, others) == mistakes


@pytest.mark.parametrize(
    ("given", "mistakes"),
    [
        ([called("pay", item="tea")], ["order wanted, pay called"]),
        ([called("order", item="tea", size="L")], ["argument size of order"]),
        ([called("order", item="tea")], ["argument size of order"]),
        ([], ["call missing"]),
        ([called("order", item="tea", size="M")] * 2, ["too many calls"]),
        ([called("order", size="M", item="tea")], []),
    ],
)
def test_what_is_wrong_with_a_call(tmp_path: Path, given: list[dict[str, Any]], mistakes: list[str]) -> None:
    call = {"type": "function", "function": called("order", item="tea", size="M")}
    rows = [chat(n, f"order {n}", "", tools=TOOL) for n in range(3)]
    for row in rows:
        row["messages"][1]["tool_calls"] = [call]
    right = {"text": "", "tool_calls": [call["function"]]}
    wrong = {"text": "x", "tool_calls": given}
    result, _, _ = compare(tmp_path, [], rows, ["?"] * 3, [wrong, right, right], baselines=[])
    assert result.examples[0].mistakes == mistakes and result.mistakes == [(text, 1) for text in mistakes]


def test_next_steps_follow_from_the_largest_groups() -> None:
    groups = [("field size wrong", 9), ("spam taken for ham", 5), ("cut at the limit", 2), ("no JSON", 1)]
    assert suggest_next(groups, 17) == [
        "add training rows in which the field size is as in these rows (9 of the 17 wrong rows)",
        "add rows that show how “spam” differs from “ham”, and check their labels (5 of the 17 wrong rows)",
        "raise eval.max_new_tokens: 2 of the 17 wrong rows were cut",
    ]
    assert suggest_next([], 0) == []


def test_graded_scores_are_wrong_below_one_half(tmp_path: Path) -> None:
    rows = [chat(n, f"q{n}", f"the quick brown fox number {n} jumps over the lazy dog") for n in range(12)]
    texts = [row["messages"][1]["content"] for row in rows]
    tuned = [texts[0], "the quick brown fox number 1 jumps", "nothing in common here", *texts[3:]]
    result, _, report = compare(tmp_path, [], rows, ["?"] * 12, tuned, metrics=["token_f1"], baselines=[])
    assert result.wrong == 1 and result.worst == ["2"] and [e.mistakes for e in result.examples[:2]] == [[], []]
    assert "wrong rows: 1 of 12" in report
