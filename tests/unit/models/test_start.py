"""A run starts from what was trained before: the merged model, what is recorded of it, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
from gaslamp.config.base_models import get_model_name
from gaslamp.core.contracts import ModelFacts, Template, TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.models import merge
from gaslamp.models.checkpoint import get_weights_hash
from gaslamp.models.fetch import fetch_model
from gaslamp.models.loading import load_model, load_tokenizer
from gaslamp.models.merge import ensure_start, merge_start
from gaslamp.models.model_facts import read_model_folder
from gaslamp.models.start import find_start_problems, get_inputs
from gaslamp.models.trained import load_evaluated
from gaslamp.pages.starts import describe_start
from trained_runs import set_adapter, write_adapter, write_run


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GASLAMP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "starts"


@pytest.fixture
def base(tiny_model: Path, tmp_path: Path) -> ModelFacts:
    fetch_model(SimpleNamespace(source=str(tiny_model), revision=None, adapter=None), tmp_path / "base.json")
    return ModelFacts.read(tmp_path / "base.json")


def get_weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def test_a_start_is_the_model_that_the_run_ships(base: ModelFacts, tmp_path: Path) -> None:
    import torch
    from gaslamp.export.exporters.merged import export

    run = write_run(tmp_path / "cafe", base, thinking="{% set enable_thinking = false %}")
    merge_start(tmp_path / "base.json", run, tmp_path / "start.json")
    start = ModelFacts.read(tmp_path / "start.json")
    export(tmp_path / "base.json", run / "adapters", tmp_path / "cafe/data/template.json", tmp_path / "merged")
    shipped, merged = get_weights(tmp_path / "merged"), get_weights(Path(start.path))
    assert shipped.keys() == merged.keys() and all(torch.equal(shipped[name], merged[name]) for name in shipped)
    ids = torch.arange(3, 40)[None]
    wanted, got = (
        net(ids).logits for net in (load_evaluated(base, run / "adapters"), load_model(start.path, "float32"))
    )
    assert (wanted - got).abs().max() < 0.02 < (wanted - load_model(base.path, "float32")(ids).logits).abs().max()
    assert load_tokenizer(start.path).chat_template == tiny.CHATML, "what the data phase pinned is decided again"
    assert read_json(Path(start.path) / "generation_config.json") == read_json(
        Path(base.path) / "generation_config.json"
    )
    assert start.name == f"{base.name}+cafe_main" and start.source == f"{base.source} + cafe/main"
    (one,) = start.starts
    assert (one.label, one.base_sha256, one.method) == ("cafe/main", base.sha256, "sft")
    assert one.adapter_sha256 == read_json(run / "train.json")["adapter_sha256"]
    assert one.template_sha256 == Template.read(tmp_path / "cafe/data/template.json").sha256
    assert start.root == base.source and start.sha256 != base.sha256
    said = describe_start(one)
    assert said.startswith("cafe/main (sft): ") and "better" in said and str(tmp_path) not in said


def test_a_start_is_made_once_and_again_when_its_files_changed(
    base: ModelFacts, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(merge, "say", said.append)
    run = write_run(tmp_path / "cafe", base)
    first = ensure_start(base, run)
    assert ensure_start(base, run / "adapters").path == first.path and "was merged earlier" in said[-1]
    with (Path(first.path) / "model.safetensors").open("r+b") as handle:
        handle.seek(-4, 2)
        handle.write(b"\0\0\0\1")
    assert ensure_start(base, run).sha256 == first.sha256 and any("is damaged" in one for one in said)
    write_run(tmp_path / "other", base, seed=4)
    assert ensure_start(base, tmp_path / "other/outputs/main").sha256 != first.sha256
    assert sorted(path.suffix for path in own_cache.iterdir()) == ["", "", ".lock", ".lock"], "no half-made folder"


def test_a_chain_of_runs_is_built_again_from_its_first_base(base: ModelFacts, tmp_path: Path, own_cache: Path) -> None:
    first = write_run(tmp_path / "read", base)
    second = write_run(tmp_path / "chat", ensure_start(base, first), seed=5)
    third = ensure_start(base, second)
    assert [one.label for one in third.starts] == ["read/main", "chat/main"] and third.root == base.source
    assert third.source == f"{base.source} + read/main + chat/main"
    shutil.rmtree(own_cache)
    assert ensure_start(base, second).sha256 == third.sha256
    shutil.rmtree(own_cache)
    shutil.rmtree(tmp_path / "read")
    write_run(tmp_path / "read", base, seed=6)
    with pytest.raises(GaslampError, match="chat/main started from .* another one now"):
        ensure_start(base, second)


def test_a_run_that_trained_every_weight_is_a_start(base: ModelFacts, tmp_path: Path) -> None:
    import torch

    run = write_run(tmp_path / "cafe", base)
    shutil.rmtree(run / "adapters")
    tiny.write_checkpoint(run / "adapters", seed=9)
    train = TrainFacts.read(run / "train.json")
    train.adapter_sha256 = get_weights_hash(run / "adapters")
    train.write(run / "train.json")
    assert find_start_problems(str(run), base.source, tmp_path) == []
    made, trained = get_weights(Path(ensure_start(base, run).path)), get_weights(run / "adapters")
    assert all(torch.equal(made[name], value.half()) for name, value in trained.items())


def change_weights(run: Path) -> None:
    file = run / "adapters/adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-4] + b"\0\0\0\1")


def change_template(run: Path) -> None:
    file = run.parents[1] / "data/template.json"
    write_json(file, read_json(file) | {"thinking": "empty"})


def other_base(run: Path) -> None:
    file = run.parents[1] / "resources/models/tiny/model.json"
    write_json(file, read_json(file) | {"sha256": "0" * 64, "source": "org/other", "revision": "abc"})


@pytest.mark.parametrize(
    ("edit", "cause", "fix"),
    [
        (change_weights, "are not those that the training of cafe/main recorded", "is trained again"),
        (change_template, "the chat template of cafe/main changed after its training", "is trained again"),
        (
            other_base,
            "trained on org/other with other weights",
            "set model.source to org/other, and model.revision to abc",
        ),
        (
            lambda run: (run / "train.json").unlink(),
            "the training of cafe/main is not finished",
            "run the same snakemake",
        ),
        (lambda run: shutil.rmtree(run / "adapters"), "the training of cafe/main is not finished", "run the same"),
        (
            lambda run: shutil.rmtree(run.parents[1] / "data"),
            "does not lead to the model and the template",
            "run the same",
        ),
    ],
)
def test_a_result_that_is_not_what_was_trained_is_refused(
    base: ModelFacts, tmp_path: Path, own_cache: Path, edit: Callable[[Path], Any], cause: str, fix: str
) -> None:
    run = write_run(tmp_path / "cafe", base)
    edit(run)
    with pytest.raises(GaslampError) as refused:
        ensure_start(base, run)
    assert cause in refused.value.cause and fix in refused.value.fix
    assert not own_cache.exists() or not list(own_cache.glob("*/config.json"))


def test_an_adapter_from_elsewhere_brings_its_chat_template_but_no_new_words(base: ModelFacts, tmp_path: Path) -> None:
    place = write_adapter(base.path, tmp_path / "style", source="org/Tiny-Chat")
    start = ensure_start(base, place)
    assert (start.starts[0].label, start.starts[0].method, start.starts[0].score) == ("style", None, None)
    assert "not evaluated by gaslamp" in describe_start(start.starts[0])
    assert load_tokenizer(start.path).chat_template == tiny.CHATML
    tiny.write_checkpoint(tmp_path / "own", tiny.CHATML.replace("user", "user "))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tmp_path / "own" / name, place / name)
    settings = read_json(place / "tokenizer_config.json") | {"chat_template": "{# mine #}" + tiny.CHATML}
    write_json(place / "tokenizer_config.json", settings)
    assert load_tokenizer(ensure_start(base, place).path).chat_template == "{# mine #}" + tiny.CHATML
    shutil.copyfile(
        tiny.write_checkpoint(tmp_path / "more", words=("x9",)) / "tokenizer.json", place / "tokenizer.json"
    )
    with pytest.raises(GaslampError, match=r"own with 261 tokens, .* has 260"):
        ensure_start(base, place)


def test_config_check_names_what_can_be_no_start(base: ModelFacts, tmp_path: Path) -> None:
    run, place = (
        write_run(tmp_path / "cafe", base),
        write_adapter(base.path, tmp_path / "style", source="org/tiny-CHAT"),
    )
    source = base.source

    def check(path: Path | str, source: str = source) -> list[str]:
        return find_start_problems(str(path), source, tmp_path)

    assert check(run) == check("cafe/outputs/main/adapters") == check("style") == []
    assert check("style", "org/tiny-chat") == check("style", "../models/Tiny-Chat/") == []
    assert "no such folder" in check("nowhere")[0]
    (tmp_path / "half/outputs/main").mkdir(parents=True)
    assert "half/main is not finished" in check("half/outputs/main")[0]
    assert f"set model.adapter to {tmp_path}/cafe/outputs/main" in check("cafe")[0]
    assert "whole model, not an adapter; set model.source to" in check(source)[0]
    assert "adapter_config.json is missing" in check(".")[0]
    assert "is a run of this project" in find_start_problems("outputs/main", source, tmp_path / "cafe")[0]
    assert check(run, "org/other") == [], "two names of a folder and a hub id: the hashes decide, before the merge"
    other_base(run)
    assert "cafe/main was trained on org/other: set model.source to it" in check(run, "org/tiny-chat")[0]
    assert (
        "was trained on org/tiny-CHAT: set model.source to it; if org/other is that very"
        in check("style", "org/other")[0]
    )
    set_adapter(place, base_model_name_or_path="unsloth/tiny-chat-bnb-4bit")
    assert "in its 16-bit version" in check("style")[0]
    set_adapter(place, base_model_name_or_path=None, peft_type="PROMPT_TUNING")
    assert "type PROMPT_TUNING" in check("style")[0]
    set_adapter(place, peft_type="LORA", task_type="SEQ_CLS")
    assert "a reward model or classifier" in check("style")[0]
    set_adapter(place, task_type=None)
    (place / "adapter_model.safetensors").rename(place / "adapter_model.bin")
    assert "pickled weights (.bin) are not loaded" in check("style")[0]


def test_what_a_start_is_made_of_is_named(base: ModelFacts, tmp_path: Path) -> None:
    run = write_run(tmp_path / "cafe", base)
    assert {str(file.relative_to(tmp_path / "cafe")) for file in get_inputs(run)} == {
        "outputs/main/adapters/adapter_config.json",
        "outputs/main/adapters/adapter_model.safetensors",
        "outputs/main/train.json",
        "resources/models/tiny/model.json",
        "data/template.json",
    }
    model = SimpleNamespace(source="org/name", revision=None, adapter="../cafe corp/outputs/main/adapters")
    assert get_model_name(model) == "org_name+cafe_corp_main"
    assert read_model_folder(Path(base.path)).sha256 == base.sha256 and json.dumps(base.starts) == "[]"
