"""The parity gate bites: each classic way to ship another model than the evaluated one fails the check that is named for it.

All artefacts come from the tiny project that ran for real; each case breaks a copy of one of them.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gaslamp.config import parse_slice
from gaslamp.contracts import Parity
from gaslamp.exporters.merged import export
from gaslamp.files import read_json, read_jsonl, write_json, write_jsonl
from gaslamp.llamacpp.convert import convert_to_gguf
from gaslamp.parity import check_parity, get_prompts

LEVELS = ("f16", "q8_0", "q4_k_m")


def check(finished: Path, place: Path, parity: str = "block", **changed: Any) -> Parity:
    """The gate on the artefacts of ``finished`` with some of them exchanged; only the f16 file is served."""
    run = finished / "outputs" / "main"
    arguments: dict[str, Any] = {
        "model": next(finished.glob("resources/models/*/model.json")),
        "adapters": run / "adapters",
        "merged": run / "merged",
        "gguf": [run / "gguf" / "model-f16.gguf"],
        "toolchain": finished / "resources" / "llama.cpp" / "toolchain.json",
        "test": finished / "data" / "test.jsonl",
        "template": finished / "data" / "template.json",
        "ladder": run / "gguf" / "ladder.json",
        "predictions": {"tuned": run / "eval" / "tuned.predictions.jsonl", **{level: run / "eval" / f"gguf-{level}.predictions.jsonl" for level in LEVELS}},
    }
    settings = parse_slice(json.dumps({"export": {"levels": ["q8_0", "q4_k_m"], "tolerance": 0.05, "parity": parity, "parity_prompts": 5}}))
    return check_parity(settings, **{**arguments, **changed}, out=place / "parity.json", log=place / "parity.log")


def get_failed(parity: Parity) -> set[tuple[str, str]]:
    assert parity.passed == (not [check for check in parity.checks if not check.passed])
    assert all(bool(check.cause) != check.passed for check in parity.checks), "what fails says what usually causes it"
    return {(check.artefact, check.name) for check in parity.checks if not check.passed}


def break_merged(finished: Path, place: Path, edit: Callable[[Path], None]) -> tuple[Path, Path]:
    """A copy of the merged folder after ``edit``, and the GGUF file made of it."""
    merged, gguf = place / "merged", place / "gguf" / "model-f16.gguf"
    shutil.copytree(finished / "outputs" / "main" / "merged", merged)
    edit(merged)
    convert_to_gguf(read_json(finished / "resources" / "llama.cpp" / "toolchain.json"), merged, gguf, "f16", place / "convert.log")
    return merged, gguf


def edit_json(name: str, **changes: Any) -> Callable[[Path], None]:
    def edit(merged: Path) -> None:
        write_json(merged / name, {**read_json(merged / name), **changes})

    return edit


def change_template(merged: Path) -> None:
    """The newline after the role goes: what a hand-written template forgets."""
    places = [path for path in (merged / "chat_template.jinja", merged / "tokenizer_config.json") if path.is_file() and "assistant" in path.read_text()]
    assert places
    for path in places:
        text = path.read_text()
        changed = text.replace("assistant\\\\n", "assistant: ").replace("assistant\\n", "assistant: ")
        assert changed != text
        path.write_text(changed)


def test_the_shipped_model_is_the_evaluated_model(finished: Path, tmp_path: Path) -> None:
    parity = check(finished, tmp_path)
    assert get_failed(parity) == set() and parity.passed and parity.prompts == 5 + 8 and parity.override is None
    assert {check.name for check in parity.checks} == {
        "answers", "end token", "chat template", "rotary base", "prompt text", "prompt tokens", "BOS tokens",
    }  # fmt: skip
    assert {check.artefact for check in parity.checks} == {"adapter", "merged", *LEVELS}
    assert Parity.read(tmp_path / "parity.json").summary == parity.summary


def test_another_chat_template(finished: Path, tmp_path: Path) -> None:
    _, gguf = break_merged(finished, tmp_path, change_template)
    parity = check(finished, tmp_path, gguf=[gguf])
    assert get_failed(parity) == {("f16", "chat template"), ("f16", "prompt text"), ("f16", "prompt tokens")}
    text = next(check for check in parity.checks if check.name == "prompt text")
    assert "test row 1: from character" in text.detail and "chat template" in (text.cause or "")


def test_another_end_token(finished: Path, tmp_path: Path) -> None:
    merged, gguf = break_merged(finished, tmp_path, edit_json("tokenizer_config.json", eos_token="<|endoftext|>"))
    assert ("f16", "end token") in get_failed(check(finished, tmp_path, gguf=[gguf]))
    failed = get_failed(check(finished, tmp_path, merged=merged))
    assert ("merged", "end token") in failed and ("f16", "end token") not in failed


def test_another_end_in_the_generation_config(finished: Path, tmp_path: Path) -> None:
    merged, _ = break_merged(finished, tmp_path, edit_json("generation_config.json", eos_token_id=0))
    assert get_failed(check(finished, tmp_path, merged=merged)) == {("merged", "end token")}


def test_another_rotary_base(finished: Path, tmp_path: Path) -> None:
    """Merged folder and GGUF file agree with each other, and both differ from what was trained."""

    def edit(merged: Path) -> None:
        config = read_json(merged / "config.json")
        if "rope_parameters" in config:
            config["rope_parameters"]["rope_theta"] = 500.0
        else:
            config["rope_theta"] = 500.0
        write_json(merged / "config.json", config)

    merged, gguf = break_merged(finished, tmp_path, edit)
    parity = check(finished, tmp_path, merged=merged, gguf=[gguf])
    assert ("f16", "rotary base") in get_failed(parity)
    assert "500" in next(check.detail for check in parity.checks if check.name == "rotary base")


def test_an_adapter_with_another_scale(finished: Path, tmp_path: Path) -> None:
    adapters = tmp_path / "adapters"
    shutil.copytree(finished / "outputs" / "main" / "adapters", adapters)
    edit_json("adapter_config.json", lora_alpha=1)(adapters)
    assert get_failed(check(finished, tmp_path, adapters=adapters)) == {("adapter", "answers")}
    model = next(finished.glob("resources/models/*/model.json"))
    export(model, adapters, finished / "data" / "template.json", tmp_path / "merged")
    parity = check(finished, tmp_path, merged=tmp_path / "merged")
    assert get_failed(parity) == {("merged", "answers")}
    answer = next(check for check in parity.checks if not check.passed)
    assert re.match(r"test row \d+, token \d+: '.*' instead of '.*'$", answer.detail) and "another scale" in (answer.cause or "")


def test_a_file_that_answers_otherwise(finished: Path, tmp_path: Path) -> None:
    run = finished / "outputs" / "main" / "eval"
    rows = [{**row, "text": "no"} if number % 2 else row for number, row in enumerate(read_jsonl(run / "gguf-f16.predictions.jsonl"))]
    write_jsonl(tmp_path / "other.jsonl", rows)
    predictions = {"tuned": run / "tuned.predictions.jsonl", **{level: run / f"gguf-{level}.predictions.jsonl" for level in LEVELS}}
    parity = check(finished, tmp_path, predictions={**predictions, "f16": tmp_path / "other.jsonl"}, parity="warn")
    assert get_failed(parity) == {("f16", "answers")} and parity.override == "export.parity: warn"
    assert "'no' instead of 'ok'" in parity.checks[-3].detail and "failed; first: f16, answers" in parity.summary


def test_prompts_are_those_that_break_exports(finished: Path) -> None:
    prompts = dict(get_prompts(finished / "data" / "test.jsonl", 3))
    special = {json.dumps(messages) for name, messages in prompts.items() if not name.startswith("test row")}
    assert len(prompts) == 3 + 8 and len(special) == 8
    assert prompts["empty words"][-1]["content"] == "" and len(prompts["several turns"]) >= 3
    assert prompts["no system prompt"][0]["role"] == "user" and prompts["system prompt"][0]["role"] == "system"
    assert all(messages[-1]["role"] == "user" for messages in prompts.values())
