"""The two columns of the chat page: what answers in each, the comparison with the evaluation, repetitions, settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browser.repetitions import KEPT, REPEATED
from gaslamp.config.schema import Config
from gaslamp.core.contracts import BaseFile, Card, Provenance
from gaslamp.core.files import JsonObject, write_jsonl
from gaslamp.serve.chat import columns
from gaslamp.serve.chat.columns import Adapter, BasePlan, check_columns, find_adapter, get_columns, plan_base
from gaslamp.serve.chat.page import describe_agreement, describe_base, get_seeds
from gaslamp.serve.chat.repetition import find_repetition
from gaslamp.serve.config_check import find_problems

OWN = BaseFile(
    level="q4_k_m",
    file="/cache/model-q4_k_m.gguf",
    size_bytes=3_000_000_000,
    agreement={
        "f16": {"rows": 12, "compared": 200, "same": 199},
        "q4_k_m": {"rows": 12, "compared": 200, "same": 180},
    },
    provenance=Provenance(),
)


def get_plan(
    monkeypatch: pytest.MonkeyPatch, folder: Path, own: BaseFile, free_gb: float, adapter: Adapter
) -> BasePlan:
    monkeypatch.setattr(columns, "get_memory", lambda: {"total": 64.0, "available": free_gb})
    (folder / "tuned.gguf").write_bytes(b"")
    with (folder / "tuned.gguf").open("wb") as handle:
        handle.truncate(3_000_000_000)
    return plan_base(own, folder / "tuned.gguf", 500_000_000, adapter)


def test_base_is_its_own_file_where_two_models_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """2 x 3 GB with a tenth more, 2 x 0.5 GB for the conversations, 1 GB to spare: 8.6 GB."""
    adapter = Adapter(tmp_path / "adapter.gguf")
    plan = get_plan(monkeypatch, tmp_path, OWN, 8.7, adapter)
    assert plan == BasePlan(file=OWN)
    note = describe_base(plan, "q4_k_m")[1]
    assert "own file at q4_k_m" in note
    assert (
        "; compared when it was made: f16 99.5 % of 200 tokens as evaluated (12 test rows), q4_k_m 90.0 % of 200"
        in note
    )
    small = get_plan(monkeypatch, tmp_path, OWN, 8.5, adapter)
    assert small.file is None and small.adapter == adapter
    title, note = describe_base(small, "q4_k_m")
    assert "adapter subtracted" in title and note.startswith("NOT the base model's own file")
    assert "two models need 8.6 GB of memory, 8.5 GB are free" in note


def test_without_its_own_file_and_without_an_adapter_both_reasons_are_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    none = BaseFile(level="q8_0", size_bytes=0, reason="its own file needs 9 GB more disk", provenance=Provenance())
    plan = get_plan(monkeypatch, tmp_path, none, 64.0, Adapter(tmp_path / "adapter.gguf"))
    assert plan.file is None and plan.adapter is not None and plan.reason == none.reason
    plan = get_plan(monkeypatch, tmp_path, none, 64.0, Adapter(None, reason="every weight was trained"))
    assert plan.adapter is None and none.reason in plan.reason and "every weight was trained" in plan.reason


def test_how_each_column_is_prompted() -> None:
    own = get_columns("http://a", "http://b", None)
    assert own == {"tuned": {"url": "http://a", "request": {}}, "base": {"url": "http://b", "request": {}}}
    assert list(get_columns("http://a", None, None)) == ["tuned"]
    one = get_columns("http://a", None, Adapter(Path("adapter.gguf"), scale=2.0))
    assert {column["url"] for column in one.values()} == {"http://a"}
    assert one["tuned"]["request"]["lora"] == [{"id": 0, "scale": 0.0}]
    assert one["base"]["request"]["lora"] == [{"id": 0, "scale": -2.0}]
    assert one["tuned"]["request"]["id_slot"] != one["base"]["request"]["id_slot"], "each has its own prompt cache"


def test_without_an_adapter_for_the_server_the_reason_is_given(tmp_path: Path) -> None:
    found = find_adapter(tmp_path / "lora")
    assert found.file is None and "make deploy writes it" in found.reason


def test_columns_are_compared_with_the_evaluation(tmp_path: Path) -> None:
    """Tuned by its answers, base by tokens, each at its own server; a column without predictions is left out."""
    rows = [
        {"id": name, "messages": [{"role": "user", "content": name}, {"role": "assistant", "content": "ok"}]}
        for name in ("a", "b")
    ]
    write_jsonl(tmp_path / "test.jsonl", rows)
    write_jsonl(tmp_path / "tuned.jsonl", [{"id": "a", "text": "ok"}, {"id": "b", "text": "ok"}])
    write_jsonl(tmp_path / "base.jsonl", [{"id": "b", "text": "ok", "ids": [5]}])

    def post(url: str, body: JsonObject, seconds: float) -> Any:
        if url == "http://a/v1/chat/completions":
            text = "ok" if body["messages"][-1]["content"] == "a" else "no"
            return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
        return {
            "http://b/apply-template": {"prompt": "b"},
            "http://b/tokenize": {"tokens": [1]},
            "http://b/completion": {"tokens": [5]},
        }[url]

    served = get_columns("http://a", "http://b", None)
    predictions = {"tuned": tmp_path / "tuned.jsonl", "base": tmp_path / "absent.jsonl"}
    found = check_columns(post, served, tmp_path / "test.jsonl", predictions)
    assert found == {"tuned": {"rows": 2, "compared": 2, "same": 1}}
    found = check_columns(post, served, tmp_path / "test.jsonl", {"base": tmp_path / "base.jsonl"})
    assert found == {"base": {"rows": 1, "compared": 1, "same": 1}}
    assert "1 of 2 test rows" in describe_agreement("tuned", {"rows": 2, "compared": 2, "same": 1})
    assert "too slow" in describe_agreement("base", {"rows": 0, "compared": 0, "same": 0})


@pytest.mark.parametrize(("text", "kept"), REPEATED)
def test_an_answer_that_repeats_itself_is_cut(text: str, kept: str) -> None:
    # as it streams in, one character after the other, it is cut at the same place
    ends = [find_repetition(text[:end]) for end in range(len(text) + 1)]
    first = next(end for end in ends if end is not None)
    assert text[:first] == kept


@pytest.mark.parametrize("text", KEPT)
def test_an_answer_that_does_not_repeat_itself_is_kept(text: str) -> None:
    assert find_repetition(text) is None


@pytest.mark.parametrize(("level", "problems"), [("recommended", 0), ("f16", 0), ("q4_k_m", 0), ("q2_k", 1)])
def test_only_a_level_that_is_made_can_be_served(level: str, problems: int, tmp_path: Path) -> None:
    config = Config.model_validate({"deploy": {"level": level}, "export": {"levels": ["q8_0", "q4_k_m"]}})
    found = find_problems(config, tmp_path)
    assert len(found) == problems
    assert all("export.levels has q8_0, q4_k_m" in problem.message for problem in found)


def test_a_seed_shows_the_question_without_the_system_prompt_that_the_page_adds(tmp_path: Path) -> None:
    answer = {"role": "assistant", "content": "Done."}
    rows = [{"messages": [{"role": "user", "content": f"Be brief.\n\nask {n}"}, answer]} for n in range(3)]
    write_jsonl(tmp_path / "test.jsonl", rows)
    own = [seed["prompt"] for seed in get_seeds(tmp_path / "test.jsonl")]
    assert own == [f"Be brief.\n\nask {n}" for n in range(3)]
    folded = Card.model_construct(system="Be brief.", system_as_user=True)  # type: ignore[call-arg]  # it reads two
    assert [seed["prompt"] for seed in get_seeds(tmp_path / "test.jsonl", folded)] == ["ask 0", "ask 1", "ask 2"]
