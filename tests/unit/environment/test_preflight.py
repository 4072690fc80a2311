"""The gate: every blocking problem at once with its fix, nothing written; its figures for disk and memory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import facts
import pytest
import tiny
from check_preflight import CHECKS, KEYS  # the script
from gaslamp.config.presets import choose_by_size
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice, write_config
from gaslamp.core import registry
from gaslamp.core.contracts import Preflight
from gaslamp.core.decisions import find_decision
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.environment import base_model, disk, preflight
from gaslamp.environment import memory_estimate as memory_need
from gaslamp.environment.memory_estimate import judge_fit
from gaslamp.export.llamacpp import build, toolchain
from gaslamp.train import preflight as training

SYSTEM: dict[str, Any] = {
    "os": "Linux",
    "arch": "x86_64",
    "is_apple_silicon": False,
    "gpus": [],
    "colab_cli": None,
    "memory_gb": 16.0,
    "memory_available_gb": 12.0,
}


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty project and empty caches; llama.cpp can be built; 100 GB are free."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("GASLAMP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(toolchain, "find_on_path", lambda tools=(): ({}, "not there"))
    monkeypatch.setattr(build, "find_build_programs", lambda: ("cmake", "ninja"))
    monkeypatch.setattr(preflight, "get_disk_free", lambda path: 100.0)
    monkeypatch.setattr(disk, "get_disk_free", lambda path: 100.0)
    return project


def check(
    values: dict[str, Any] | None = None, system: dict[str, Any] | None = None, warnings: list[str] | None = None
) -> Preflight:
    Path("system.json").write_text(json.dumps({**SYSTEM, **(system or {})}))
    Path("env.json").write_text(json.dumps({"warnings": warnings or []}))
    settings = parse_slice(get_slice(Config.model_validate(values or {}), *KEYS))
    return preflight.check_preflight(settings, Path("system.json"), Path("env.json"), CHECKS)


def get_error(values: dict[str, Any] | None = None, system: dict[str, Any] | None = None) -> str:
    with pytest.raises(GaslampError) as caught:
        check(values, system)
    return str(caught.value)


def test_the_default_fits() -> None:
    facts = check(warnings=["a shared environment"])
    assert facts.fit == "fits" and facts.summary.startswith("FITS: memory up to ")
    assert facts.warnings == ["a shared environment"]
    assert facts.disk_needed_gb.keys() == {
        "toolchain",
        "model",
        "checkpoints",
        "adapters",
        "merged",
        "measuring",
        "gguf f16",
        "gguf q8_0",
        "gguf q6_k",
        "gguf q5_k_m",
        "gguf q4_k_m",
        "gguf q3_k_m",
        "reports",
    }
    assert (
        facts.provenance and len(facts.provenance.inputs) == 2 and facts.provenance.settings["train"]["lora"]["r"] == 16
    )


def test_sizes_are_near_those_measured() -> None:
    """Embedded model: 2.8 GB while training rows of up to 160 tokens; merged 269 MB, f16 271 MB, q8_0 145 MB."""
    facts = check({"train": {"max_length": 160, "batch_size": 4}})
    assert 2.3 < facts.memory_needed_gb - memory_need.TOOLCHAIN_GB < 3.2
    measured = {"merged": 0.27, "gguf f16": 0.27, "gguf q8_0": 0.145}
    for part, size in measured.items():
        assert facts.disk_needed_gb[part] == pytest.approx(size, rel=0.1), part


def test_what_is_not_built_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.get("backends", "colab"), "BUILT", False)
    monkeypatch.setattr(registry.get("backends", "colab"), "REASON", "it comes later")
    text = get_error({"backend": "colab"})
    assert "the backend 'colab' is not built yet: it comes later" in text and "use snakemake --profile cpu" in text
    assert {path.name for path in Path().iterdir()} == {"env.json", "system.json"}


def test_the_gpu_backend_wants_a_gpu() -> None:
    text = get_error({"backend": "cuda"})
    assert "no NVIDIA GPU here" in text and "use snakemake --profile cpu" in text and "not built yet" not in text
    text = get_error({"backend": "cuda", "method": "embedding", "train": {"quantization": "4bit"}})
    assert (
        "Unsloth does not train embedding" in text
        and "train.engine: trl" in text
        and "set train.quantization: none" in text
    )


def test_all_problems_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler() -> None:
        raise GaslampError(
            "llama.cpp has to be built and there is no C++ compiler", "install one", "or take ready-made tools"
        )

    monkeypatch.setattr(build, "find_build_programs", no_compiler)
    monkeypatch.setattr(preflight, "get_disk_free", lambda path: 0.5)
    text = get_error({"backend": "mps", "train": {"quantization": "4bit"}}, {"memory_gb": 0.4})
    assert text.startswith("error: 5 problems stop this run; nothing was downloaded or trained")
    for words in (
        "no kernels for MPS",
        "needs a Mac with Apple silicon",
        "no C++ compiler",
        "GB of disk",
        "GB of memory to train",
    ):
        assert words in text
    assert text.count("fix: ") >= 5


def test_no_compiler_is_fine_when_the_tools_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "find_on_path", lambda tools=(): ({"llama-server": "/x"}, "on the PATH"))
    facts = check()
    assert "toolchain" not in facts.disk_needed_gb and facts.summary.endswith("llama.cpp is ready")


def test_disk_is_summed_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "get_disk_free", lambda path: 1.0)
    text = get_error()
    assert "GB of disk (toolchain 1.00, model 0.40, merged 0.27, gguf f16 0.27" in text and "1.0 GB are free" in text


def test_caches_on_another_disk_are_counted_there() -> None:
    parts = {"model": 3.0, "toolchain": 1.0, "merged": 2.0}
    assert disk.find_disk_problems(parts, 6.5) == []
    assert "6.0 GB" in disk.find_disk_problems(parts, 5.0)[0].cause


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GASLAMP_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(preflight, "find_disk_problems", lambda disk, free: [])
    assert "cannot write in" in get_error()


def get_choice(facts: Preflight, name: str) -> object:
    decision = find_decision(facts.choice, name)
    assert decision and decision.reason
    return decision.value


GPU = {"name": "NVIDIA H100 80GB HBM3", "vram_gb": 85.5, "vram_free_gb": 84.9}


def test_the_memory_of_a_gpu_is_estimated_by_its_own_formula_and_open_settings_are_chosen() -> None:
    """The GPU is a description; the same calculation is made again when the training begins."""
    facts = check({"backend": "cuda", "model": {"source": "org/model-8B"}}, {"gpus": [GPU]})
    assert facts.fit == "fits" and facts.summary.startswith("FITS: GPU memory up to") and facts.memory_free_gb == 84.9
    assert get_choice(facts, "quantization") == "none" and isinstance(get_choice(facts, "batch_size"), int)
    small = {**GPU, "name": "T4", "vram_gb": 16.1, "vram_free_gb": 15.8}
    facts = check({"backend": "cuda", "model": {"source": "org/model-8B"}}, {"gpus": [small]})
    assert get_choice(facts, "quantization") == "4bit"
    facts = check(
        {
            "backend": "cuda",
            "model": {"source": "org/model-8B"},
            "train": {"quantization": "none", "gradient_checkpointing": False},
        },
        {"gpus": [small | {"vram_gb": 20.0}]},
    )
    assert facts.fit == "exceeds" and any(
        "GPU memory:" in text and "train.quantization: 4bit" in text and "train.gradient_checkpointing: true" in text
        for text in facts.warnings
    )
    assert "GPU memory:" in get_error({"backend": "cuda", "model": {"source": "org/model-70B"}}, {"gpus": [small]})


def test_a_processor_holds_no_4_bit_weights() -> None:
    assert (
        "a processor trains 16- or 32-bit weights" in get_error({"train": {"quantization": "4bit"}})
        and check({"train": {"quantization": "auto"}}).fit == "fits"
    )


def test_too_big_for_the_machine_blocks_and_too_tight_warns() -> None:
    big = {"model": {"source": "org/model-7B"}}
    text = get_error(big)
    assert "needs at least" in text and "choose a smaller model" in text
    facts = check(big, {"memory_gb": 128.0, "memory_available_gb": 40.0})
    assert facts.fit == "exceeds" and any("train.gradient_checkpointing" in text for text in facts.warnings)
    assert any("guessed from its name (7.0B parameters)" in text for text in facts.warnings)
    assert check(big, {"memory_gb": 256.0, "memory_available_gb": 200.0}).fit == "fits"


@pytest.mark.parametrize(("need", "fit"), [(8.0, "fits"), (8.1, "tight"), (10.0, "tight"), (10.1, "exceeds")])
def test_badges(need: float, fit: str) -> None:
    assert judge_fit(need, 10.0) == fit


@pytest.mark.parametrize(
    ("source", "parameters"),
    [
        ("org/Qwen2.5-1.5B-Instruct", 1.5e9),
        ("org/SmolLM2-360M", 3.6e8),
        ("org/llama-3.2-3b-it", 3e9),
        ("org/phi-mini", None),
        ("org/v2bert", None),
    ],
)
def test_size_from_a_name(source: str, parameters: float | None) -> None:
    shape = base_model.get_shape(source)
    assert (shape.parameters if shape else None) == (pytest.approx(parameters) if parameters else None)


def test_an_unknown_size_is_said() -> None:
    facts = check({"model": {"source": "org/phi-mini"}})
    assert facts.fit == "unknown" and any("unknown before its download" in text for text in facts.warnings)


def test_a_model_folder_is_measured(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps({"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 100, "dtype": "bfloat16"})
    )
    (folder / "model.safetensors").write_bytes(b"0" * 2_000_000)
    assert base_model.get_shape(str(folder)) == base_model.Shape(1_000_000, 64, 2, 100)
    whole = tiny.write_checkpoint(tmp_path / "whole")
    facts = check({"model": {"source": str(whole)}})
    assert "model" not in facts.disk_needed_gb, "it stands there already"


@pytest.mark.parametrize(
    ("change", "words", "fix"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer", "save the tokenizer"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no *.safetensors weights", "safe_serialization"),
        (lambda folder: os.truncate(folder / "model.safetensors", 90_000), "is damaged", "copy the file again"),
        (lambda folder: edit(folder, "config.json", model_type="no_such"), "no model_type no_such", "docs/models.md"),
        (
            lambda folder: edit(folder, "model.safetensors.index.json", weight_map={"a": "model-2.safetensors"}),
            "1 of 1 files are missing (model-2.safetensors)",
            "copy or download the folder again",
        ),
        (
            lambda folder: (folder / "tokenizer_config.json").write_text("[]"),
            "it holds no JSON object",
            "copy the model",
        ),
    ],
)
def test_a_model_folder_that_is_not_whole_is_named_at_once(
    change: Callable[[Path], object], words: str, fix: str, tmp_path: Path
) -> None:
    """By its files and the heads of its weights: what ``make plan`` shows too."""
    folder = tiny.write_checkpoint(tmp_path / "model")
    change(folder)
    text = get_error({"model": {"source": str(folder)}})
    assert words in text and str(folder) in text and fix in text


def edit(folder: Path, name: str, **values: object) -> None:
    write_json(folder / name, (read_json(folder / name) if (folder / name).is_file() else {}) | values)


def test_a_cached_hub_model_is_not_downloaded_again(tmp_path: Path) -> None:
    repo = tmp_path / "hub" / "models--org--name"
    snapshot = repo / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("abc")
    (snapshot / "config.json").write_text(
        json.dumps({"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 100, "torch_dtype": "float32"})
    )
    (snapshot / "model.safetensors").write_bytes(b"0" * 4_000_000)
    facts = check({"model": {"source": "org/name"}})
    assert "model" not in facts.disk_needed_gb and facts.fit == "fits"


def test_checkpointing_and_16_bit_need_less() -> None:
    def need(**train: Any) -> float:
        return check({"train": {"max_length": 512, **train}}).memory_needed_gb

    assert (
        need() > need(dtype="bfloat16") and need() > need(gradient_checkpointing=True) and need() > need(batch_size=1)
    )


def test_own_data_counts(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_bytes(b"question,answer\n" + b"q,a\n" * 12_500_000)  # only the first rows are looked at
    assert check({"data": {"source": str(rows)}}).disk_needed_gb["data"] == 0.1


def test_columns_of_the_data_are_held_against_the_method(tmp_path: Path) -> None:
    """Before anything is downloaded or trained: what was found, what is needed, the mapping that would work."""
    rows = tmp_path / "rows.csv"
    rows.write_text("frage,antwort\n" + "Was?,Das.\n" * 20)
    assert check({"data": {"source": str(rows)}}).fit == "fits", "German headers are known"
    rows.write_text("question,answer\n" + "q,a\n" * 20)
    message = get_error({"method": "dpo", "data": {"source": str(rows)}})
    assert (
        "the method dpo cannot learn from these columns" in message and "found:  question, answer, read as" in message
    )
    assert "needed: " in message and "rejected" in message


def test_advice_fits_the_failure(tmp_path: Path) -> None:
    """A fault in the data is not answered with another machine."""
    (tmp_path / "odd.csv").write_text("alpha,beta\nx,y\n")
    assert "machine" not in get_error({"data": {"source": str(tmp_path / "odd.csv")}})
    assert "another machine" in get_error({"model": {"source": "org/model-7B"}})


def test_an_open_gate_is_said() -> None:
    assert any("eval.gate is warn" in text for text in check({"eval": {"gate": "warn"}}).warnings)


def test_the_script_writes_only_when_nothing_blocks(tmp_path: Path) -> None:
    import subprocess
    import sys

    Path("system.json").write_text(json.dumps(SYSTEM))
    Path("env.json").write_text(json.dumps({"warnings": []}))
    script = Path(__file__).resolve().parents[3] / "scripts" / "check_preflight.py"
    file = str(write_config(Config.model_validate({"backend": "mps"}), tmp_path))
    command = [sys.executable, str(script), "--system", "system.json", "--env", "env.json", "--config", file]
    done = subprocess.run(
        [*command, "--out", "preflight.json", "--log", "x.log"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1 and "needs a Mac with Apple silicon" in done.stderr
    assert not Path("preflight.json").exists()


def test_columns_that_the_method_cannot_learn_from_stop_everything_early(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("alpha,beta\nx,y\n")
    text = get_error({"data": {"source": str(tmp_path / "odd.csv")}})
    assert "odd.csv mean is not certain" in text and 'data.columns: {prompt: "alpha", completion: "beta"}' in text
    text = get_error({"data": {"source": "embedded:islands_text"}})
    assert (
        "the method sft cannot learn from these columns" in text
        and "found:  text" in text
        and "needed: rows with a prompt and the wanted answer" in text
    )
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 no")
    assert "cut.parquet" in get_error({"data": {"source": str(tmp_path / "cut.parquet")}})


def test_mlx_on_a_mac_reports_what_fits_and_elsewhere_what_it_is() -> None:
    """Sizes are calculated; the machine is a description, not a Mac."""
    mac = {"os": "Darwin", "arch": "arm64", "is_apple_silicon": True, "memory_gb": 16.0, "memory_available_gb": 9.0}
    facts = check({"backend": "mac"}, mac)
    assert facts.fit == "fits" and any(
        "10.7 GB for the GPU" in text and "not measured on a Mac" in text for text in facts.warnings
    )
    facts = check({"backend": "mac", "model": {"source": "org/model-7B"}}, mac)
    assert facts.fit == "exceeds" and any(
        "snakemake --profile colab" in text and "16 GB: " in text for text in facts.warnings
    )
    assert "choose a smaller model" in get_error({"backend": "mac", "model": {"source": "org/model-70B"}}, mac)
    assert any("this is Linux, no Mac" in text for text in check({"backend": "mac"}).warnings)
    assert "MLX needs a Mac" in get_error({"backend": "mac"}, {**mac, "arch": "x86_64", "is_apple_silicon": False})


@pytest.mark.parametrize(
    ("method", "why"), [("grpo", "no KL term"), ("reward", "no models with a classification head")]
)
def test_what_mlx_does_not_train_correctly_is_refused_with_the_alternative(method: str, why: str) -> None:
    text = get_error({"backend": "mac", "method": method})
    assert why in text and "snakemake --profile mps" in text and "kto" in text


def test_mlx_trains_one_kind_of_vision_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Known before the training when the model is here; for others the training reports it."""
    from gaslamp.train.mlx.vision import find_problem

    monkeypatch.setattr(preflight, "get_shape", lambda *_: None)
    monkeypatch.setattr(training, "find_model_folder", lambda *_: tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llava", "vision_config": {}}', encoding="utf-8")
    text = get_error({"backend": "mac", "method": "vision_sft", "model": {"source": "org/sees"}})
    assert "this is llava" in text and "snakemake --profile mps" in text
    good: dict[str, Any] = {"model_type": "idefics3", "text_config": {"model_type": "llama"}, "vision_config": {}}
    assert find_problem(good) is None
    assert "rope_scaling" in str(find_problem({**good, "text_config": {"rope_parameters": {"rope_type": "llama3"}}}))
    assert "computes a Llama" in str(find_problem({**good, "text_config": {"model_type": "mistral"}}))
    assert "gelu" in str(find_problem({**good, "vision_config": {"hidden_act": "gelu"}}))


def test_settings_that_mlx_would_ignore_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.get("exporters", "mlx"), "find_python", lambda: None)
    text = get_error(
        {
            "backend": "mac",
            "train": {"packing": True, "adapter": "none", "report_to": ["tensorboard"]},
            "export": {"formats": ["mlx"]},
        }
    )
    for words in ("attend to each other", "trains adapters only", "writes to no tracker", "make mlx"):
        assert words in text


def test_the_adapter_is_compared_with_a_model_that_is_here(tiny_model: Path) -> None:
    """A misspelt module stops the run before anything else is done; what the preset takes for this size is shown."""
    model = {"source": str(tiny_model)}
    error = get_error({"model": model, "train": {"lora": {"target_modules": ["q_proj", "v_prj"]}}})
    assert "train.lora.target_modules: this model has no module v_prj" in error and "v_proj" in error
    damaged = Path("damaged")
    damaged.mkdir()
    for file in tiny_model.iterdir():
        (damaged / file.name).write_bytes(b"" if file.suffix == ".safetensors" else file.read_bytes())
    values = {"model": {"source": str(damaged)}, "train": {"lora": {"target_modules": ["q_proj"]}}}
    assert "model.safetensors is damaged" in get_error(values)
    facts = check({"model": model, "train": {"lora": {"target_modules": ["q_proj", "lm_head"]}}})
    rate = find_decision(facts.choice, "learning_rate")
    assert rate and rate.value == 1e-3 and "below 0.5 billion parameters" in rate.reason
    assert not any("one matrix" in warning for warning in facts.warnings), "the two are separate in this model"


@pytest.mark.parametrize("backend", ["cpu", "mac", "mps", "cuda"])
def test_a_model_that_is_not_here_gets_the_preset_of_its_name(backend: str) -> None:
    """7B in a name is the size until the weights are here, on every backend; the reason says that it is a guess."""
    settings = parse_slice(get_slice(Config.model_validate({"backend": backend, "method": "sft"}), *KEYS))
    filled, decisions = choose_by_size(settings, 7_000_000_000, ": guessed from its name, the weights decide")
    assert (filled.train.learning_rate, filled.train.gradient_accumulation, filled.train.warmup_steps) == (2e-4, 4, 10)
    assert all(decision.reason.endswith("guessed from its name, the weights decide") for decision in decisions)


@pytest.mark.parametrize(
    ("kind", "rows", "says"),
    [
        ("conversation", 60, "with 60 test rows a gain under 10.0 points"),
        ("conversation", 0, ""),
        ("text", 60, ""),
    ],
)
def test_what_the_test_rows_can_show_is_said_before_the_training(place: Path, kind: str, rows: int, says: str) -> None:
    assert check().power == "", "the data phase has not counted them"
    (place / "data").mkdir()
    card = facts.card().model_copy(update={"kind": kind, "rows": {"train": 800, "test": rows}})
    card.write(place / "data/card.json")
    power = check().power
    assert power.startswith(says) and bool(power) == bool(says)
