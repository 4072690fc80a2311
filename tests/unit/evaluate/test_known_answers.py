"""The base model is prompted once: what is known of it comes from the user's cache, and belongs to it alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from gaslamp.evaluate.decode import Sampling
from gaslamp.evaluate.known_answers import KnownAnswers
from gaslamp.evaluate.predictions import Prediction
from gaslamp.evaluate.prompts import EvalPrompt

PROMPT = EvalPrompt("row-1", "test", [{"role": "user", "content": "2 teas"}], 8)
ANSWER = cast("Prediction", {"id": "row-1", "kind": "test", "text": "ok", "stopped": True, "tokens": 2, "ids": [5, 6]})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GASLAMP_CACHE", str(tmp_path))
    monkeypatch.delenv("GASLAMP_ANSWERS", raising=False)
    return tmp_path / "answers"


def make(model: str = "a", template: str = "t", temperature: float = 0.0) -> KnownAnswers:
    facts: Any = SimpleNamespace(sha256=model)
    recorded: Any = SimpleNamespace(sha256=template, stop_ids=[2])
    return KnownAnswers(facts, recorded, Sampling(temperature=temperature))


def test_an_answer_is_known_to_the_next_run_under_its_own_id() -> None:
    make().keep([PROMPT], [ANSWER])
    (found,) = make().take([replace(PROMPT, id="row-7", kind="retention")])
    assert found == {**ANSWER, "id": "row-7", "kind": "retention"}


@pytest.mark.parametrize(
    "other",
    [
        replace(PROMPT, max_tokens=9),
        replace(PROMPT, messages=[{"role": "user", "content": "3 teas"}]),
        replace(PROMPT, tools=[{"name": "order"}]),
    ],
)
def test_another_prompt_is_not_known(other: EvalPrompt) -> None:
    make().keep([PROMPT], [ANSWER])
    assert make().take([other]) == []


def test_another_model_or_template_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    make().keep([PROMPT], [ANSWER])
    assert make(model="b").take([PROMPT]) == make(template="u").take([PROMPT]) == []
    monkeypatch.setattr("gaslamp.evaluate.known_answers.get_versions", lambda names: {"torch": "99"})
    assert make().take([PROMPT]) == []


def test_sampled_answers_and_images_are_not_kept(cache: Path) -> None:
    make(temperature=0.7).keep([PROMPT], [ANSWER])
    picture = [{"role": "user", "content": [{"type": "image", "image": "a.png"}]}]
    make().keep([replace(PROMPT, messages=picture)], [ANSWER])
    assert not cache.exists()


def test_damaged_lines_are_left_out(cache: Path) -> None:
    make().keep([PROMPT], [ANSWER])
    (file,) = cache.glob("*.jsonl")
    whole = file.read_text()
    file.write_text("{}\n[]\n" + whole + whole[:40])
    assert len(make().take([PROMPT])) == 1
    other = replace(PROMPT, max_tokens=9)
    make().keep([other], [ANSWER])
    assert len(make().take([PROMPT, other])) == 2


def test_it_can_be_switched_off(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make().keep([PROMPT], [ANSWER])
    monkeypatch.setenv("GASLAMP_ANSWERS", "off")
    assert make().take([PROMPT]) == []
