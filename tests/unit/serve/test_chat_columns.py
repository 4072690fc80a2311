"""The two columns of the chat page: their requests, the comparison with the evaluation, the settings of the server."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from gaslamp.config.schema import Config
from gaslamp.core.files import write_jsonl
from gaslamp.serve.chat.columns import Adapter, begins_alike, check_columns, find_adapter, get_requests
from gaslamp.serve.config_check import find_problems


def test_tuned_is_the_file_itself_and_base_subtracts_the_adapter() -> None:
    requests = get_requests(Adapter(Path("adapter.gguf"), scale=2.0))
    assert requests["tuned"]["lora"] == [{"id": 0, "scale": 0.0}]
    assert requests["base"]["lora"] == [{"id": 0, "scale": -2.0}]
    assert requests["tuned"]["id_slot"] != requests["base"]["id_slot"], "each column has its own prompt cache"
    assert get_requests(Adapter(None, reason="every weight was trained")) == {"tuned": {}}


def test_without_an_adapter_for_the_server_the_reason_is_given(tmp_path: Path) -> None:
    found = find_adapter(tmp_path / "lora")
    assert found.file is None and "make deploy writes it" in found.reason


@pytest.mark.parametrize(
    ("answer", "wanted", "whole", "same"),
    [
        ("four", "four euros", False, True),
        ("four", "four euros", True, False),
        ("four euros", "four euros", True, True),
        ("five", "four", False, False),
        ("", "four", False, False),
        ("na\ufffd", "naïve", False, True),
    ],
)
def test_answers_begin_alike(answer: str, wanted: str, whole: bool, same: bool) -> None:
    assert begins_alike(answer, wanted, whole) is same


def test_columns_are_compared_with_the_evaluation(tmp_path: Path) -> None:
    """Two test rows, the first answered as in the evaluation; a column without predictions is left out."""
    rows = [
        {"id": name, "messages": [{"role": "user", "content": name}, {"role": "assistant", "content": "ok"}]}
        for name in ("a", "b")
    ]
    write_jsonl(tmp_path / "test.jsonl", rows)
    write_jsonl(tmp_path / "tuned.jsonl", [{"id": "a", "text": "ok"}, {"id": "b", "text": "ok"}])

    def answer(request: httpx.Request) -> httpx.Response:
        prompt = json.loads(request.content)["messages"][-1]["content"]
        text = "ok" if prompt == "a" else "no"
        return httpx.Response(200, json={"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})

    predictions = {"tuned": tmp_path / "tuned.jsonl", "base": tmp_path / "absent.jsonl"}
    requests = get_requests(Adapter(tmp_path / "adapter.gguf"))
    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://server") as client:
        found = check_columns(client, requests, tmp_path / "test.jsonl", predictions)
    assert found == {"tuned": {"compared": 2, "same": 1}}


@pytest.mark.parametrize(("level", "problems"), [("recommended", 0), ("f16", 0), ("q4_k_m", 0), ("q2_k", 1)])
def test_only_a_level_that_is_made_can_be_served(level: str, problems: int, tmp_path: Path) -> None:
    config = Config.model_validate({"deploy": {"level": level}, "export": {"levels": ["q8_0", "q4_k_m"]}})
    found = find_problems(config, tmp_path)
    assert len(found) == problems
    assert all("export.levels has q8_0, q4_k_m" in problem.message for problem in found)
