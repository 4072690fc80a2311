"""Stages: what each of them gets of the top level, and every problem at the place where it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from gaslamp.config.base_models import get_model_name
from gaslamp.config.load import load_config, load_stage
from gaslamp.config.slices import load_slice, read_stages, write_merged
from gaslamp.core.errors import GaslampError

VALUES: dict[str, Any] = {
    "method": "sft",
    "model": {"source": "org/name", "revision": "v1"},
    "data": {"columns": {"prompt": "q", "completion": "a"}, "split": {"test": 0.3, "valid": 0.1}, "rehearsal": 0.1},
    "train": {"max_steps": 5, "lora": {"r": 8}},
    "eval": {"metrics": ["exact_match"], "max_new_tokens": 9},
    "stages": [
        {"name": "read", "method": "cpt", "data": {"source": "embedded:orders_json", "split": {"test": 0.2}}},
        {"name": "chat", "train": {"lora": {"alpha": 4}}},
        {"name": "prefer", "method": "dpo", "train": {"max_steps": 3, "options": {"beta": 0.2}}},
    ],
}


def test_a_stage_gets_what_it_does_not_set_itself() -> None:
    read, chat, last = load_stage(VALUES, "read"), load_stage(VALUES, "chat"), load_config(VALUES)
    assert [one.method for one in (read, chat, last)] == ["cpt", "sft", "dpo"]
    assert [one.run for one in (read, chat, last)] == ["read", "chat", "main"]
    assert [one.model.adapter for one in (read, chat, last)] == [None, "outputs/read", "outputs/chat"]
    assert {one.model.revision for one in (read, chat, last)} == {"v1"}
    assert [one.train.max_steps for one in (read, chat, last)] == [5, 5, 3]
    assert (chat.train.lora.r, chat.train.lora.alpha, last.train.lora.alpha) == (8, 4, 32)
    assert (read.data.split.test, read.data.split.valid, chat.data.split.test) == (0.2, 0.1, 0.3)
    assert [get_model_name(one.model) for one in (read, chat, last)] == [
        "org_name@v1",
        "org_name@v1+read",
        "org_name@v1+chat",
    ]


def test_what_belongs_to_another_file_or_method_is_not_passed_on() -> None:
    read, chat, last = load_stage(VALUES, "read"), load_stage(VALUES, "chat"), load_config(VALUES)
    assert read.data.columns == {} and read.data.rehearsal == 0.1, "the columns are those of the other source"
    assert chat.data.columns == last.data.columns == VALUES["data"]["columns"]
    assert (read.eval.metrics, chat.eval.metrics, last.eval.metrics) == ([], ["exact_match"], [])
    assert {one.eval.max_new_tokens for one in (read, chat, last)} == {9}
    values = {**VALUES, "method": "dpo", "train": {"options": {"beta": 0.3}}}
    assert load_config(values).train.options["beta"] == 0.2
    assert "beta" not in load_stage(values, "read").train.options


def test_scripts_read_the_config_of_their_stage(tmp_path: Path) -> None:
    file = write_merged(VALUES, tmp_path)
    assert read_stages([file]) == ["read", "chat"]
    steps = [load_slice([file], ["method", "train"], stage) for stage in ("read", "chat", None)]
    assert [(one.method, one.train.max_steps) for one in steps] == [("cpt", 5), ("sft", 5), ("dpo", 3)]
    plain = write_merged({"method": "dpo"}, tmp_path)
    assert read_stages([plain]) == [] and load_slice([plain], ["method"]).method == "dpo"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "stages: [{name: a}, {name: b, train: {lerning_rate: 1}}]",
            "line 1: unknown key 'stages.1.train.lerning_rate'",
        ),
        ("stages:\n- name: a\n  train:\n    batch_size: 0\n- name: b\n", "line 4: stages.0.train.batch_size = 0: "),
        ("stages:\n- name: a\n  data:\n    source: nowhere.csv\n- name: b\n", "line 4: nowhere.csv: no such file"),
        (
            "stages:\n- name: a\n- name: b\n  method: dpo\n  train:\n    options: {bta: 1}\n",
            "line 6: the method dpo has no",
        ),
        ("stages:\n- name: a\n  method: reward\n- name: b\n", "line 3: stage a: reward trains no model that generates"),
        ("stages: [{name: main}, {name: b}]", "line 1: the run and a stage are both called main"),
        ("stages: [{name: a}, {name: a}]", "line 1: stages = "),
        ("stages: [{name: raw}, {name: a}]", "line 1: stages = "),
        ("stages: [{name: Read}, {name: read}]", "line 1: stages = "),
        ("stages: [{name: Main}, {name: b}]", "line 1: the run and a stage are both called Main"),
        (f"stages: [{{name: {'x' * 61}}}, {{name: b}}]", "line 1: stages.0.name = "),
        (
            "stages: [cpt, sft]",
            'line 1: stages = ["cpt", "sft"]: a stage has a name and what differs in it: write '
            "stages: [{name: cpt, method: cpt}, {name: sft, method: sft}]",
        ),
        ("stages: chat", 'line 1: stages = "chat": input should be a valid list'),
        (
            "stages: [{name: a}, {name: b}]\nexport: {formats: [gguf, adapter]}",
            "line 2: an adapter of this run belongs to",
        ),
    ],
)
def test_a_problem_is_named_once_where_it_was_written(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(GaslampError) as refused:
        load_config(yaml.safe_load(text), file, tmp_path)
    cause = refused.value.cause
    assert cause.startswith(f"{file}, {problem}") and "\n" not in cause, cause
