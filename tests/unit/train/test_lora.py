"""Options of train.lora: the adapter, the merged model and its GGUF file are the model that was trained, or the option
is refused by name before the training.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import real_tokenizers
import training
from gaslamp.config.load import load_config
from gaslamp.config.schema import Config
from gaslamp.core import registry
from gaslamp.core.contracts import Template
from gaslamp.core.errors import GaslampError, Interrupted
from gaslamp.core.files import get_cache_dir, read_json, write_json
from gaslamp.export.exporters.lora_gguf import find_obstacle
from gaslamp.export.exporters.merged import export
from gaslamp.export.llamacpp.convert import convert_to_gguf
from gaslamp.export.llamacpp.toolchain import Toolchain, ensure_toolchain
from gaslamp.export.parity.merged import answer_greedily
from gaslamp.export.parity.prompts import Conversation, encode_prompts, get_special_tokens, vary
from gaslamp.export.parity.served import check_served
from gaslamp.export.trial import QUESTION
from gaslamp.models.loading import load_model, separate_head
from gaslamp.models.template import Renderer
from gaslamp.models.trained import load_folder
from gaslamp.train import lora as lora_rules
from gaslamp.train.trl import engine
from gaslamp.train.trl.load import get_peft_config

pytestmark = pytest.mark.usefixtures("warm_converter")
IDS = [[5, 9, 40, 77, 3], [12, 200, 31, 8, 66]]
# name -> train.lora, and the modules whose merged weight differs from the base, by the end of their names
LAYERS = {f"{part}_proj" for part in ("q", "k", "v", "o", "gate", "up", "down")}
SECOND = {f"layers.1.{'self_attn' if name[0] in 'qkvo' else 'mlp'}.{name}" for name in LAYERS}
CASES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "plain": ({}, LAYERS),
    "rslora": ({"use_rslora": True}, LAYERS),
    "dora": ({"use_dora": True}, LAYERS),
    "gaussian": ({"init_lora_weights": "gaussian"}, LAYERS),
    "orthogonal": ({"init_lora_weights": "orthogonal"}, LAYERS),
    "pissa": ({"init_lora_weights": "pissa", "use_rslora": True}, LAYERS),
    "olora": ({"init_lora_weights": "olora"}, LAYERS),
    "patterns": ({"rank_pattern": {"down_proj": 2, "0.self_attn.q_proj": 8}, "alpha_pattern": {"v_proj": 2}}, LAYERS),
    "one layer": ({"layers_to_transform": [1]}, SECOND),
    "head": ({"target_modules": ["q_proj", "lm_head"]}, {"q_proj", "lm_head"}),
    "embedding": ({"target_modules": ["q_proj", "embed_tokens"]}, {"q_proj", "embed_tokens"}),
    "head in full": ({"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}, {"q_proj", "lm_head"}),
    "both in full": (
        {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head"]},
        {"q_proj", "embed_tokens", "lm_head"},
    ),
}
TIED = ("head", "embedding", "head in full", "both in full")
RUNS = [*((name, False) for name in CASES), *((name, True) for name in TIED)]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Toolchain:
    return ensure_toolchain(get_cache_dir(), tmp_path_factory.mktemp("tools") / "log.txt")


def tie(model: Path, out: Path) -> Path:
    """The same model with one matrix for embedding and output, as Llama 3.2 and Qwen3 have it."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, out)
    tensors = load_file(out / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    write_json(out / "config.json", {**read_json(out / "config.json"), "tie_word_embeddings": True})
    return out


@pytest.fixture(scope="module")
def bases(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Folders with rows for the tiny model: tied -> folder."""
    folder = tmp_path_factory.mktemp("bases")
    models = {False: tiny_model, True: tie(tiny_model, folder / "tied-model")}
    rows = {"conversation": training.ROWS["conversation"]}
    return {tied: training.write_base(folder / f"tied-{tied}", model, rows) for tied, model in models.items()}


def get_model(base: Path) -> Path:
    return Path(read_json(base / "model.json")["path"])


def read(net: Any) -> Any:
    import torch

    with torch.no_grad():
        return net.eval()(input_ids=torch.tensor(IDS)).logits


@pytest.mark.parametrize(("name", "tied"), RUNS)
def test_adapter_merged_and_gguf_are_what_was_trained(
    bases: dict[bool, Path], tools: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, tied: bool
) -> None:
    import torch

    trained, save = [], engine.save_weights

    def read_and_save(trainer: Any, folder: Path) -> None:
        trained.append(read(trainer.model))
        save(trainer, folder)

    monkeypatch.setattr(engine, "save_weights", read_and_save)
    base, (lora, changed) = bases[tied], CASES[name]
    model = get_model(base)
    training.train(base, tmp_path, "sft", max_steps=4, lora={"r": 4, "alpha": 8, **lora})
    whole, merged = (load_model(model, "float32", tmp_path / "adapters", merge=merge) for merge in (False, True))
    untrained = load_model(model, "float32")
    assert (trained[0] - read(untrained)).abs().max() > 0.1, "something was learnt"
    assert torch.allclose(read(whole), trained[0], atol=1e-4) and torch.allclose(read(merged), trained[0], atol=1e-4)
    before, after = untrained.state_dict(), merged.state_dict()
    names = {key.removesuffix(".weight") for key, value in after.items() if (value - before[key]).abs().max() > 1e-5}
    assert all(any(key.endswith(end) for end in changed) for key in names), names
    assert all(any(key.endswith(end) for key in names) for end in changed), names
    export(base / "model.json", tmp_path / "adapters", base / "template.json", tmp_path / "merged")
    stored = load_model(tmp_path / "merged", "float32")
    assert torch.allclose(read(stored), trained[0], atol=0.05), "stored in 16 bit"
    assert read_json(tmp_path / "merged" / "config.json")["tie_word_embeddings"] is False
    file, template = tmp_path / "model-f16.gguf", Template.read(base / "template.json")
    convert_to_gguf(tools, tmp_path / "merged", file, "f16", tmp_path / "log")
    renderer = Renderer.load(str(model), template)
    prompts = encode_prompts(renderer, vary([Conversation("question", QUESTION)], get_special_tokens(template)))
    references = answer_greedily(whole, prompts, template)
    checks = check_served(file, tools, renderer, template, prompts, references, tmp_path / "server.log")
    assert [check.detail for check in checks if not check.passed] == []
    assert {"endpoint answers", "stop reason"} <= {check.name for check in checks}


def test_a_resumed_start_is_the_first_one(
    bases: dict[bool, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decomposition is unique up to signs: a resume that finds others gives the model of an undisturbed training."""
    import torch

    base, svd = bases[False], torch.linalg.svd
    settings: dict[str, Any] = {
        "max_steps": 6,
        "save_steps": 3,
        "scheduler": "cosine",
        "lora": {"r": 4, "alpha": 8, "init_lora_weights": "pissa"},
    }
    facts, _ = training.train(base, tmp_path / "whole", "sft", **settings)
    monkeypatch.setattr(engine, "build_callback", stop_at(3, engine.build_callback))
    with pytest.raises(Interrupted):
        training.train(base, tmp_path / "parts", "sft", **settings)
    monkeypatch.undo()

    def other_svd(weight: Any, **options: Any) -> Any:
        left, values, right = svd(weight, **options)
        return left.roll(1, dims=1), values.roll(1), right.roll(1, dims=0)  # other vectors first, as with other threads

    monkeypatch.setattr(torch.linalg, "svd", other_svd)
    again, _ = training.train(base, tmp_path / "parts", "sft", **settings)
    assert again.attempts == 2 and again.resumed_from == [3]
    monkeypatch.undo()
    nets = [load_model(get_model(base), "float32", tmp_path / name / "adapters") for name in ("whole", "parts")]
    assert torch.allclose(read(nets[0]), read(nets[1]), atol=1e-4)
    assert again.loss_last == pytest.approx(facts.loss_last, rel=1e-4)


def stop_at(step: int, build: Any) -> Any:
    """A builder of the engine's callback that asks for an end after a step, as a signal does."""

    def make(watcher: Any) -> Any:
        made = build(watcher)
        end = made.on_step_end

        def on_step_end(args: Any, state: Any, control: Any, **more: Any) -> Any:
            if state.global_step == step:
                watcher.stop_reason = watcher.stop_reason or "test"
            return end(args, state, control, **more)

        made.on_step_end = on_step_end
        return made

    return make


@pytest.mark.parametrize("family", ["llama3_2", "mistral", "phi3", "qwen2_5", "qwen3"])
def test_a_separated_head_survives_the_conversion(tools: Toolchain, tmp_path: Path, family: str) -> None:
    """What SEPARABLE promises: the GGUF file of a model with tied embeddings has the output that was trained."""
    import gguf
    import numpy
    import torch
    from safetensors.torch import save_file

    source = real_tokenizers.folder(family, model="tiny")
    config = {**read_json(source / "config.json"), "tie_word_embeddings": True}
    assert config["architectures"][0] in lora_rules.SEPARABLE
    shutil.copytree(source, tmp_path / "model")
    write_json(tmp_path / "model" / "config.json", config)
    net = load_model(tmp_path / "model", "float32")
    (tmp_path / "adapters").mkdir()
    save_file(
        {"base_model.model.lm_head.lora_A.weight": torch.zeros(1)}, tmp_path / "adapters" / "adapter_model.safetensors"
    )
    separate_head(net, tmp_path / "adapters")
    head = net.get_output_embeddings().weight
    with torch.no_grad():
        head += 1.0
    net.to(torch.float16).save_pretrained(tmp_path / "merged")
    for file in source.iterdir():
        if not (tmp_path / "merged" / file.name).exists():
            shutil.copy(file, tmp_path / "merged")
    convert_to_gguf(tools, tmp_path / "merged", tmp_path / "f16.gguf", "f16", tmp_path / "log")
    tensors = {tensor.name: tensor.data for tensor in gguf.GGUFReader(tmp_path / "f16.gguf").tensors}
    rows = min(len(tensors["output.weight"]), len(head))
    assert numpy.allclose(tensors["output.weight"][:rows], head.detach().numpy()[:rows], atol=1e-3)
    assert abs(float(tensors["output.weight"].mean() - tensors["token_embd.weight"].mean()) - 1) < 0.05


def get_problems(
    method: str = "sft", backend: str = "cpu", lora: dict[str, Any] | None = None, **train: Any
) -> list[str]:
    """The problems of a config, as ``key: message``."""
    section = {**train, "lora": {**(lora or {})}}
    config = Config.model_validate({"method": method, "backend": backend, "train": section})
    found = lora_rules.find_setting_problems(method, backend, config.train.model_dump())
    return [f"{'.'.join(path)}: {message}" for path, message in found]


def test_what_is_proven_is_not_refused() -> None:
    for lora, _ in CASES.values():
        assert get_problems(lora=lora) == [] and get_problems(backend="cuda", engine="trl", lora={}) == []
    for name in registry.names("methods"):
        rewards = [{"name": "length", "options": {"max": 1}}]
        assert get_problems(name, lora={"use_rslora": True, "use_dora": True}, rewards=rewards) == []
    trl = {"backend": "cuda", "engine": "trl"}
    assert get_problems(**trl, lora={"init_lora_weights": "pissa"}, dtype="float32") == []
    assert Config.model_validate({"backend": "cuda", "train": {"lora": {"use_dora": True}}}).train.choose == [
        "batch_size",
        "gradient_accumulation",
        "packing",
        "gradient_checkpointing",
    ], "4 bit is not chosen for what was proven on whole weights"


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (
            {"lora": {"use_dora": True}, "backend": "mac"},
            "lora.use_dora: not proven with this backend: take it out, or",
        ),
        (
            {"lora": {"use_rslora": True}, "backend": "cuda"},
            "lora.use_rslora: not proven with this backend: set train.",
        ),
        (
            {"lora": {"target_modules": ["q_proj", "lm_head"]}, "backend": "mac"},
            "lora.target_modules: lm_head: not proven with this backend",
        ),
        ({"lora": {"init_lora_weights": "pissa"}, "method": "dpo"}, "pissa changes the base weights, and dpo compares"),
        (
            {"lora": {"init_lora_weights": "olora"}, "method": "grpo"},
            "olora changes the base weights, and grpo",
        ),
        ({"lora": {"init_lora_weights": "pissa"}, "method": "reward"}, "is built for methods that train a text"),
        (
            {"lora": {"init_lora_weights": "pissa"}, "method": "embedding"},
            "is built for methods that train a text",
        ),
        ({"lora": {"init_lora_weights": "pissa"}, "dtype": "bfloat16"}, "16 bit would round them: set train.dtype"),
        (
            {"lora": {"init_lora_weights": "pissa"}, "backend": "cuda", "engine": "trl"},
            "16 bit would round them: set train.dtype",
        ),
        (
            {"lora": {"init_lora_weights": "pissa", "modules_to_save": ["lm_head"]}},
            "pissa is not saved exactly together with modules_to_save",
        ),
        (
            {"lora": {"init_lora_weights": "olora", "target_modules": ["q_proj", "embed_tokens"]}},
            "olora is not saved exactly together with embed_tokens",
        ),
        (
            {"lora": {"target_modules": ["q_proj", "lm_head"], "modules_to_save": ["lm_head"]}},
            "lora.modules_to_save: lm_head is in target_modules too",
        ),
        (
            {"lora": {"target_modules": ["q_proj", "lm_head"], "layers_to_transform": [0]}},
            "lora.layers_to_transform: lm_head is outside the layers and would be left out",
        ),
        ({"lora": {"target_modules": ["lm_head"], "use_dora": True}}, "lora.use_dora: DoRA on lm_head is not proven"),
        ({"lora": {"target_modules": ".*lm_head", "use_dora": True}}, "lora.use_dora: DoRA on lm_head is not proven"),
        ({"lora": {"layers_to_transform": [1]}, "method": "embedding"}, "PEFT finds no numbered layers in the model"),
        ({"lora": {"modules_to_save": ["lm_head"]}, "method": "reward"}, "the method reward cannot train lm_head"),
        ({"lora": {"modules_to_save": ["score"]}, "method": "reward"}, "the method reward trains no further modules"),
        (
            {"lora": {"use_dora": True}, "backend": "cuda", "engine": "trl", "quantization": "4bit"},
            "quantization: DoRA (train.lora) is not proven on a quantized base",
        ),
        (
            {"lora": {"use_dora": True}, "backend": "cuda", "engine": "trl", "choose": ["quantization"]},
            "choose: DoRA (train.lora) is not proven on a quantized base",
        ),
    ],
)
def test_what_was_not_proven_is_refused(config: dict[str, Any], problem: str) -> None:
    found = get_problems(**config)
    assert len(found) == 1 and problem in found[0], found


@pytest.mark.parametrize("start", ["loftq", "eva", "corda", "lora_ga", "mica", "pisa"])
def test_first_values_that_are_not_built_are_refused_with_the_reason(tmp_path: Path, start: str) -> None:
    text = f"train:\n  lora:\n    r: 8\n    init_lora_weights: {start}\n"
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(GaslampError) as caught:
        load_config({"train": {"lora": {"r": 8, "init_lora_weights": start}}}, tmp_path / "config.yaml", tmp_path)
    why = "should be default, gaussian, orthogonal, pissa or olora" if start == "pisa" else "not built: it "
    assert "config.yaml, line 4: train.lora.init_lora_weights" in caught.value.cause and why in caught.value.cause


@pytest.mark.parametrize(
    ("lora", "problem"),
    [
        ({"target_modules": ["q_proj", "qq_proj"]}, "target_modules: this model has no module qq_proj"),
        ({"target_modules": ".*nothing"}, "no module of this model matches .*nothing"),
        ({"modules_to_save": ["head"]}, "modules_to_save: this model has no module head"),
        ({"rank_pattern": {"down_prj": 4}}, "rank_pattern: this model has no module down_prj"),
        ({"alpha_pattern": {"(": 4}}, "alpha_pattern: this model has no module ("),
        ({"layers_to_transform": [1, 2]}, "layers_to_transform: layer 2 is not in this model"),
    ],
)
def test_names_that_the_model_does_not_have_stop_the_training(
    bases: dict[bool, Path], tmp_path: Path, lora: dict[str, Any], problem: str
) -> None:
    """PEFT leaves out what it does not find, without a word."""
    with pytest.raises(GaslampError) as caught:
        training.train(bases[False], tmp_path, "sft", lora=lora)
    assert problem in caught.value.cause and not (tmp_path / "adapters").exists()
    assert "its 2 layers are 0 to 1" in caught.value.fix or "down_proj" in caught.value.fix


def test_a_tied_model_that_gguf_may_not_separate_is_refused(bases: dict[bool, Path], tmp_path: Path) -> None:
    """Gemma's GGUF files have one matrix for embedding and output, whatever was trained."""
    tied = tmp_path / "gemma"
    shutil.copytree(get_model(bases[True]), tied)
    write_json(tied / "config.json", {**read_json(tied / "config.json"), "architectures": ["Gemma2ForCausalLM"]})
    train = Config.model_validate({"train": {"lora": {"target_modules": ["q_proj", "lm_head"]}}}).train.model_dump()
    problems = lora_rules.find_model_problems(train, tied)
    assert len(problems) == 1 and "lm_head of Gemma2ForCausalLM" in problems[0][0] and "take it out" in problems[0][1]
    plain = Config().train.model_dump()
    assert lora_rules.find_model_problems(plain, tied) == [] and lora_rules.describe_separation(plain, tied) is None
    text = lora_rules.describe_separation(train, get_model(bases[True]))
    assert text and "they become two" in text
    assert lora_rules.describe_separation(train, get_model(bases[False])) is None


def test_an_adapter_on_embeddings_is_no_gguf_of_its_own(tmp_path: Path) -> None:
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "lm_head"]}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    assert find_obstacle(tmp_path) == "the embedding or the output was adapted too"


SIZES = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 512,
}
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
READERS = {
    # transformers has a class for its language model alone, with other names of the layers
    "qwen3_5": {
        "text_config": SIZES
        | {"layer_types": ["linear_attention", "full_attention"], "linear_num_key_heads": 2}
        | {"linear_num_value_heads": 2, "linear_key_head_dim": 16, "linear_value_head_dim": 16},
        "vision_config": TOWER | {"depth": 2, "num_heads": 2, "patch_size": 16, "out_hidden_size": 64},
    },
    "mistral3": {  # no class for language models takes it
        "text_config": SIZES | {"model_type": "mistral"},
        "vision_config": TOWER | {"model_type": "pixtral", "image_size": 32, "patch_size": 16, "head_dim": 16},
        "image_token_index": 10,
    },
}


@pytest.mark.parametrize("name", READERS)
def test_a_model_that_reads_images_learns_from_texts(name: str, tmp_path: Path) -> None:
    """Training and evaluation load one class, and rows of text adapt no module of the vision tower."""
    import torch
    from peft import get_peft_model
    from transformers import AutoConfig, AutoModelForImageTextToText

    AutoModelForImageTextToText.from_config(AutoConfig.for_model(name, **READERS[name])).save_pretrained(tmp_path / "m")
    settings = Config.model_validate({"train": {"adapter": "lora", "lora": {"r": 4, "alpha": 8}}}).train
    model = get_peft_model(load_model(tmp_path / "m", "float32"), get_peft_config(settings, tmp_path / "m"))
    adapted = {key: value for key, value in model.named_parameters() if "lora_B" in key}
    assert adapted and not [key for key in adapted if "vision" in key or "visual" in key]
    with torch.no_grad():
        for value in adapted.values():
            value.normal_(0, 0.1)
        trained = model.eval()(input_ids=torch.tensor(IDS)).logits
        model.save_pretrained(tmp_path / "adapters")
        evaluated = load_folder(tmp_path / "m", tmp_path / "adapters")(input_ids=torch.tensor(IDS)).logits
    assert (trained - evaluated).abs().max() < 1e-4
