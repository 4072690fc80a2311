"""How a served model compares with the evaluation on a few test rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gaslamp.core.files import JsonObject, write_jsonl
from gaslamp.export.first_answers import begins_alike, compare_beginnings, compare_tokens


@pytest.mark.parametrize(
    ("answer", "wanted", "whole", "same"),
    [
        ("four", "four euros", False, True),
        ("four", "four euros", True, False),
        ("four euros", "four euros", True, True),
        ("four euros and", "four euros", False, True),
        ("five", "four", False, False),
        ("", "four", False, False),
        ("na\ufffd", "naïve", False, True),
    ],
)
def test_answers_begin_alike(answer: str, wanted: str, whole: bool, same: bool) -> None:
    assert begins_alike(answer, wanted, whole) is same


@pytest.fixture
def rows(tmp_path: Path) -> tuple[Path, Path]:
    """Five test rows, one with a picture; the last has no evaluated answer."""
    picture = {"type": "image", "image": "a.png"}
    contents: list[Any] = ["one", [picture, {"type": "text", "text": "two"}], "three", "four", "five"]
    table = [
        {"id": str(n), "messages": [{"role": "user", "content": content}, {"role": "assistant", "content": "ok"}]}
        for n, content in enumerate(contents)
    ]
    write_jsonl(tmp_path / "test.jsonl", table)
    answers: list[JsonObject] = [{"id": n, "text": "ok", "ids": [7, 8, 9]} for n in "0123"]
    write_jsonl(tmp_path / "base.jsonl", [*answers, {"id": "4", "scores": [1.0]}])
    return tmp_path / "test.jsonl", tmp_path / "base.jsonl"


def test_beginnings(rows: tuple[Path, Path]) -> None:
    prompted: list[Any] = []

    def post(path: str, body: JsonObject, seconds: float) -> Any:
        assert path == "/v1/chat/completions" and body["temperature"] == 0 and body["lora"] == []
        prompted.append(body["messages"][-1]["content"])
        if len(prompted) > 3:
            raise TimeoutError
        text = "ok" if prompted[-1] != "three" else "no"
        return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}

    assert compare_beginnings(post, {"lora": []}, *rows, 5, 60) == {"rows": 3, "compared": 3, "same": 2}
    assert prompted == ["one", "three", "four"], "neither the picture nor the row without an answer"
    assert compare_beginnings(post, {"lora": []}, *rows, 5, 60)["rows"] == 0, "too slow: nothing compared"
    assert compare_beginnings(post, {"lora": []}, *rows, 5, 0.1)["rows"] == 0


def test_tokens_follow_the_evaluated_ones(rows: tuple[Path, Path]) -> None:
    """The server finds 7 after the prompt and 8 after 7, but 5 after 7, 8: two of three tokens are the same."""
    prompts: list[list[int]] = []

    def post(path: str, body: JsonObject, seconds: float) -> Any:
        if path == "/apply-template":
            return {"prompt": f"<{body['messages'][-1]['content']}>"}
        if path == "/tokenize":
            assert body == {"content": body["content"], "add_special": True, "parse_special": True}
            return {"tokens": [1, 2]}
        prompts.append(body["prompt"])
        return {"tokens": [{2: 7, 3: 8, 4: 5}[len(body["prompt"])]]}

    assert compare_tokens(post, {}, *rows, 3, 60) == {"rows": 2, "compared": 6, "same": 4}
    assert prompts[:3] == [[1, 2], [1, 2, 7], [1, 2, 7, 8]] and len(prompts) == 6
