"""Exports of tools of evaluation, and columns of which one is right and the other is what a model wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.data.describe import describe
from gaslamp.data.meaning import decide
from gaslamp.data.sample import read_sample
from gaslamp.data.sources import open_source

HUMAN = {"role": "user", "content": "Q {n}?"}
SAID = {"role": "assistant", "content": "It is {n}"}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "arguments": {}}]}
KWARGS = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain", "schema", "HumanMessage"],
    "kwargs": {"content": "Q {n}?"},
}
LANGCHAIN = {"messages": [[{"type": "human", "data": {"content": "Q {n}?"}}]]}
GENERATED = {"generations": [[{"text": "x", "message": {"type": "ai", "data": {"content": "It is {n}"}}}]]}
SHAPES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"inputs": {"question": "Q {n}?"}, "outputs": {"answer": "It is {n}"}}, {"question": "Q 0?", "answer": "It is 0"}),
    (
        {"inputs": {"question": "Q {n}?", "context": "c {n}"}, "outputs": {"answer": "It is {n}", "sources": ["d"]}},
        {"question": "Q 0?", "context": "c 0", "answer": "It is 0", "sources": ["d"]},
    ),
    ({"inputs": {"text": "T {n}"}, "outputs": {"text": "It is {n}"}}, {"text": "T 0", "output_text": "It is 0"}),
    ({"inputs": LANGCHAIN, "outputs": GENERATED}, {"messages": [{**HUMAN, "content": "Q 0?"}], "output": "It is 0"}),
    (
        {"inputs": {"messages": [KWARGS]}, "outputs": {"message": SAID}},
        {"messages": [{**HUMAN, "content": "Q 0?"}], "output": "It is 0"},
    ),
    (
        {"inputs": {"messages": [HUMAN]}, "outputs": {"messages": [HUMAN, SAID]}},
        {"messages": [{**HUMAN, "content": "Q 0?"}], "output": "It is 0"},
    ),
    (
        {"inputs": {"messages": [HUMAN]}, "outputs": {"choices": [{"index": 0, "message": CALL}]}},
        {"messages": [{**HUMAN, "content": "Q 0?"}], "output": [CALL]},
    ),
    (
        {"input": {"messages": [HUMAN]}, "expectedOutput": {"content": "It is {n}"}},
        {"messages": [{**HUMAN, "content": "Q 0?"}], "output": "It is 0"},
    ),
    ({"input": '{"question": "Q {n}?"}', "expectedOutput": '"It"'}, {"question": "Q 0?", "output": '"It"'}),
    (
        {"input": "bill {n}", "expected": {"name": "A{n}", "total": 3}},
        {"input": "bill 0", "output": {"name": "A0", "total": 3}},
    ),
    ({"input": "Q {n}?", "expected": "It is {n}"}, {"input": "Q 0?", "expected": "It is 0"}),
    ({"input": {"a": 1}, "output": {"b": 2}}, {"input": {"a": 1}, "output": {"b": 2}}),
]


def write(folder: Path, shape: dict[str, Any], count: int = 30) -> Path:
    text = json.dumps({"id": "u{n}", **shape})
    path = folder / "rows.jsonl"
    path.write_text("".join(text.replace("{n}", str(number)) + "\n" for number in range(count)))
    return path


def get_data(path: Path, **settings: object) -> Any:
    return Config.model_validate({"data": {"source": str(path), **settings}}).data


@pytest.mark.parametrize(("shape", "row"), SHAPES)
def test_keys_of_an_export_are_columns(tmp_path: Path, shape: dict[str, Any], row: dict[str, Any]) -> None:
    source = open_source(get_data(write(tmp_path, shape)))
    rows = read_sample(source, [])
    assert rows[0] == {"id": "u0", **row} and len(rows) == 30
    assert [number for chunk in source.chunks() for number, _ in chunk.read([])] == list(range(1, 31))
    assert bool(source.notes) == (row != {**shape, **row}), "what was taken apart is said"


LANGCHAIN_TURNS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [  # role, message, and what it adds to the turn
    ("plain", {"type": "ai", "content": "It is 3", "id": "run-1", "usage_metadata": {"input_tokens": 3}}, {}),
    ("dict", {"type": "ai", "data": {"content": "It is 3", "additional_kwargs": {}, "type": "ai"}}, {}),
    ("class", {**KWARGS, "id": ["langchain", "schema", "AIMessage"], "kwargs": {"content": "It is 3"}}, {}),
    ("chunk", {"type": "AIMessageChunk", "content": "It is 3"}, {}),
    (
        "call",
        {"type": "ai", "content": "", "tool_calls": [{"name": "f", "args": {"x": 1}, "id": "c1"}]},
        {
            "content": "",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}],
        },
    ),
    (
        "thought",
        {"type": "ai", "content": "It is 3", "additional_kwargs": {"reasoning_content": "2 + 1"}},
        {"content": "<think>\n2 + 1\n</think>\n\nIt is 3"},
    ),
]


@pytest.mark.parametrize(("name", "answer", "made"), LANGCHAIN_TURNS)
def test_messages_of_langchain_are_turns(name: str, answer: dict[str, Any], made: dict[str, Any]) -> None:
    from gaslamp.data.turns import is_turns, read_turns

    turns = [{"type": "human", "content": "Which?"}, answer]
    assert is_turns(turns) and not is_turns([{"type": "text", "content": "no speaker"}])
    assert read_turns(turns, "messages") == [
        {"role": "user", "content": "Which?"},
        {"role": "assistant", "content": "It is 3", **made},
    ]


def test_results_of_tools_in_a_turn_of_cohere() -> None:
    from gaslamp.data.turns import read_turns

    results = [{"call": {"name": "f", "parameters": {}}, "outputs": [{"t": 12}]}, {"outputs": [1, 2]}]
    turn = {"role": "Tool", "tool_results": results}
    assert read_turns([turn], "chat") == [
        {"role": "tool", "name": "f", "content": '{"t":12}'},
        {"role": "tool", "content": "[1,2]"},
    ]


def test_an_export_is_learnt_by_its_keys_or_by_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path, SHAPES[0][0])
    turns = [{"role": "user", "content": "Q 0?"}, {"role": "assistant", "content": "It is 0"}]
    for columns in ({}, {"prompt": "question", "completion": "answer"}):
        assert describe(get_data(path, columns=columns), "sft").samples[0] == {"messages": turns}
    whole = describe(get_data(path, columns={"prompt": "inputs", "completion": "outputs"}), "sft").samples[0]
    assert whole["messages"][1]["content"] == '{"answer":"It is 0"}'


EVALUATED = [
    ("question", "answer", "ground_truth"),
    ("question", "answer", "reference"),
    ("user_input", "response", "reference"),
    ("input", "actual_output", "expected_output"),
    ("input", "output", "expected"),
    ("prompt", "completion", "ideal"),
]


@pytest.mark.parametrize(("prompt", "tried", "right"), EVALUATED)
@pytest.mark.parametrize("kinds", [(), ("conversation",)])
def test_the_right_answer_comes_before_that_of_a_model(
    prompt: str, tried: str, right: str, kinds: tuple[str, ...]
) -> None:
    rows = [
        {prompt: f"What is {n}?", "contexts": [f"c {n}", "d"], tried: f"no {n}", right: f"yes {n}"} for n in range(30)
    ]
    meaning = decide(rows, kinds=kinds)
    assert not meaning.certain and meaning.reading.mapping == {
        "prompt": prompt,
        "context": "contexts",
        "completion": right,
    }
    assert [one.key for one in meaning.readings] == [f"answer {right}", f"check {right}", f"answer {tried}"]
    rewarded = decide(rows, kinds=("prompt", "conversation"))
    assert all(one.mapping.get("answer") != tried for one in rewarded.readings)


def test_an_answer_that_holds_the_right_one_is_a_worked_solution() -> None:
    rows = [
        {"question": f"{n} + 1?", "answer": f"Add 1 to {n}: {n + 1}", "ground_truth": str(n + 1)} for n in range(30)
    ]
    assert decide(rows, kinds=("conversation",)).reading.mapping["completion"] == "answer"
    assert decide(rows).reading.mapping == {"prompt": "question", "answer": "ground_truth"}


def test_an_empty_column_of_thoughts_is_not_read() -> None:
    rows = [
        {"question": f"{n} + 1?", "solution": f"It is {n + 1}", "cot": None, "thinking": f"Add {n} 1"} for n in [1, 2]
    ]
    assert decide(rows).reading.mapping == {"prompt": "question", "completion": "solution", "reasoning": "thinking"}
    for row in rows:
        del row["thinking"]
    assert "reasoning" not in decide(rows).reading.mapping


def test_a_mark_is_a_score_and_not_certain() -> None:
    texts = [f"Le produit {n} est en retard, et la boite est vide" for n in range(30)]
    for column in ("texte", "avis"):
        meaning = decide([{column: text, "note": n % 5 + 1} for n, text in enumerate(texts)])
        assert not meaning.certain and meaning.reading.mapping == {"prompt": column, "completion": "note"}
        assert meaning.reading.reason == f"'note' rates '{column}', 5 different scores: the number to write"
    noted = [{"note": text, "summary": f"retard {n}"} for n, text in enumerate(texts)]
    assert decide(noted, kinds=("conversation",)).reading.mapping == {"prompt": "note", "completion": "summary"}


def test_one_answer_for_all_rows_is_said(tmp_path: Path) -> None:
    one = describe(get_data(write(tmp_path, {"text": "mail {n} please", "label": 0})), "sft").warnings
    assert len(one) == 1 and "all of the first 30 rows have the same answer ('label' is 0)" in one[0]
    assert describe(get_data(write(tmp_path, {"text": "mail {n} please", "label": "{n}"})), "sft").warnings == []


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_nan_is_an_empty_cell_and_said(tmp_path: Path, suffix: str) -> None:
    rows = [{"prompt": f"NaN {n}?", "completion": "say: NaN", "score": float("nan")} for n in range(8)]
    path = tmp_path / f"rows.{suffix}"
    path.write_text(json.dumps(rows) if suffix == "json" else "".join(json.dumps(row) + "\n" for row in rows))
    source = open_source(get_data(path))
    assert read_sample(source, []) == [{**row, "score": None} for row in rows]
    assert source.notes == [f"rows.{suffix}: NaN, which JSON does not have, is read as an empty cell"]
    path.write_text(path.read_text().replace("NaN}", "0}"))
    source = open_source(get_data(path))
    assert read_sample(source, [])[0]["completion"] == "say: NaN" and source.notes == []


def test_a_slow_chat_is_a_conversation(tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    lines = [f"[{day:02}/01/24, 10:00:00] {'Anna' if day % 2 else 'Ben'}: message {day}\n" for day in range(1, 21)]
    path.write_text("".join(lines))
    source = open_source(get_data(path))
    rows = read_sample(source, [])
    assert [turn["value"] for turn in rows[0]["messages"]] == [f"message {day}" for day in range(1, 21)]
    assert "after 60 messages, as six hours of silence lie before every answer" in source.notes[-1]
    path.write_text("".join(line.replace("Ben:", "Anna:").replace("20/01", "20/02") for line in lines[:-1]) + lines[-1])
    source = open_source(get_data(path))
    assert len(read_sample(source, [])) == 1, "two people in all are a conversation"
