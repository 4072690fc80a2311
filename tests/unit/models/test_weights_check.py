"""A model folder that is not the whole model, or is no model at all, is refused before anything is built on it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
from gaslamp.config.schema import Config
from gaslamp.core.errors import GaslampError
from gaslamp.models import weights_check
from gaslamp.models.checkpoint import count_parameters
from gaslamp.models.config_check import find_problems
from gaslamp.models.model_facts import read_model_folder
from gaslamp.models.template import NEUTRAL, build_template
from gaslamp.models.weights_check import check_weights
from safetensors.numpy import load_file, save_file

Tensors = dict[str, object]


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def change_weights(change: Callable[[Tensors], Tensors]) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        file = folder / "model.safetensors"
        save_file(change(load_file(file)), file, metadata={"format": "pt"})

    return act


def change_config(**values: object) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | values))

    return act


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def lose_shard(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    first = {name: value for name, value in tensors.items() if "layers.1." not in name}
    save_file(first, folder / "model-00001-of-00002.safetensors", metadata={"format": "pt"})
    places = {name: f"model-0000{1 if name in first else 2}-of-00002.safetensors" for name in tensors}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (change_weights(lambda t: {k: v for k, v in t.items() if k != "lm_head.weight"}), "tie_word_embeddings: true"),
        (
            change_weights(lambda t: {k: v for k, v in t.items() if "layers.1.mlp.up" not in k}),
            "lacks 1 of the tensors that its config.json describes: model.layers.1.mlp.up_proj.weight",
        ),
        (change_weights(lambda t: {f"_orig_mod.{k}": v for k, v in t.items()}), "a prefix of a wrapper (_orig_mod."),
        (change_config(num_hidden_layers=3), "lacks 9 of the tensors"),
        (change_config(intermediate_size=256), "describes another model than the one that is stored"),
        (change_config(quantization_config={"quant_method": "awq"}), "quantized with awq"),
        (change_config(model_type="superllama"), "(model_type superllama)"),
        (lambda folder: (folder / "quantize_config.json").write_text("{}"), "quantized with gptq"),
        (lose_shard, "model-00002-of-00002.safetensors"),
    ],
)
def test_what_is_not_the_whole_model(damage: Callable[[Path], None], says: str, folder: Path) -> None:
    damage(folder)
    with pytest.raises(GaslampError) as caught:
        check_weights(folder)
    assert says in f"{caught.value.cause} {caught.value.fix} {caught.value.less_likely}"


def test_a_whole_model_and_one_with_more(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(weights_check, "say", said.append)
    check_weights(folder)
    assert not said
    change_config(num_hidden_layers=1)(folder)
    check_weights(folder)
    assert said[0].startswith("9 stored tensors have no place in the architecture of config.json and are left out")


def test_a_second_copy_of_the_weights_counts_once(folder: Path) -> None:
    """Mistral's folders on the hub hold the weights twice, in two layouts."""
    parameters = count_parameters(folder)
    shutil.copy(folder / "model.safetensors", folder / "consolidated.safetensors")
    assert count_parameters(folder) == parameters == read_model_folder(folder).parameters


def test_files_that_are_damaged(folder: Path) -> None:
    (folder / "generation_config.json").write_text("{,")
    with pytest.raises(GaslampError, match="generation_config.json is damaged: not valid JSON"):
        read_model_folder(folder)
    (folder / "generation_config.json").unlink()
    cut(folder)
    with pytest.raises(GaslampError, match="bytes of .* are there"):
        read_model_folder(folder)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"adapter_config.json": '{"base_model_name_or_path": "org/base"}'}, "set model.source to org/base, and"),
        ({"model-q4_k_m.gguf": ""}, "is GGUF, which is made for running"),
        ({"config.json": "[]"}, "holds no JSON object"),
        ({"config.json": "{,"}, "holds no JSON object"),
    ],
)
def test_what_is_no_checkpoint(files: dict[str, str], says: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (problem,) = find_problems(Config.model_validate({"model": {"source": str(tmp_path)}}), tmp_path)
    assert says in problem.message


def test_templates_with_names_and_broken_ones(folder: Path) -> None:
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    named = [{"name": "tool_use", "template": "{{ 1 }}"}, {"name": "default", "template": tiny.CHATML}]
    file.write_text(json.dumps(settings | {"chat_template": named}))
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    template = build_template(folder, NEUTRAL)
    assert template.chat_template == tiny.CHATML
    assert "2 chat templates: tool_use, default" in template.decisions[0].reason
    file.write_text(json.dumps(settings | {"chat_template": "{% for %}"}))
    with pytest.raises(GaslampError, match="no valid Jinja: line 1"):
        build_template(folder, NEUTRAL)
