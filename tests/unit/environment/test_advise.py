"""Advice on base models: what fits, in which order, how long; and that it needs nothing that is not installed yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.methods import get_method, get_preset
from gaslamp.config.preset_layers import FACTS, fill_preset, read_method
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.environment.advise import Advice, get_advice
from gaslamp.environment.gpu_memory import get_gpu_need
from gaslamp.environment.machines import find_processor, get_machine, list_machines
from gaslamp.environment.profile import choose_profile
from gaslamp.environment.rank import get_tier
from gaslamp.environment.speed import get_hours, get_operations, get_speed, read_measured, read_step
from gaslamp.environment.training_ways import Demand, get_train_settings
from gaslamp.models.catalogue import find_model, load_catalogue
from gaslamp.models.shape import Shape

ROOT = Path(__file__).resolve().parents[3]
LAPTOP: dict[str, Any] = {"gpus": [], "cores": 2, "memory_gb": 25.2, "memory_available_gb": 20.0}
B1 = find_model("meta-llama/Llama-3.2-1B-Instruct").shape  # type: ignore[union-attr]
B8 = find_model("meta-llama/Llama-3.1-8B-Instruct").shape  # type: ignore[union-attr]


@pytest.fixture(autouse=True)
def _no_cached_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("GASLAMP_CACHE", str(tmp_path / "cache"))


def find(advice: list[Advice], name: str) -> Advice:
    return next(one for one in advice if one.model.name == name)


def test_it_is_importable_with_pyyaml_alone() -> None:
    """Cookiecutter's interpreter has neither pydantic nor torch."""
    code = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('pydantic', 'numpy', 'torch', 'orjson', 'psutil', 'httpx', 'pandas', 'transformers'):
            raise ImportError(name)
sys.meta_path.insert(0, Missing())
from gaslamp.environment.advise import get_advice
from gaslamp.environment.machines import get_machine
from gaslamp.environment.training_ways import Demand
from gaslamp.core import registry
for method in registry.get_library_names('methods'):
    assert get_advice(get_machine('l4'), Demand(method)), method
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", registry.get_library_names("methods"))
def test_a_preset_that_is_read_is_the_preset_that_is_imported(name: str) -> None:
    read, imported = read_method(name), get_method(name)
    assert {fact: getattr(read, fact, None) for fact in FACTS} == {
        fact: getattr(imported, fact, None) for fact in FACTS
    }
    for billions in (0, 1, 7, 70):
        assert fill_preset(read, "lora", billions * 10**9) == get_preset(name, "lora", billions * 10**9)


def test_a_method_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(GaslampError, match="sft"):
        get_advice(LAPTOP, Demand("stf"))
    with pytest.raises(GaslampError, match="mac16"):
        get_machine("mac17")


FIRST = {  # machine -> the model that comes first for sft, its tier, and what else config.yaml then says
    "t4": ("Qwen3.5 9B", 2, {}),
    "l4": ("Qwen3.5 9B", 2, {}),
    "h100": ("Qwen3.5 9B", 2, {}),
    "mac16": (
        "Gemma 4 E4B",
        1,
        {
            "train": {
                "gradient_checkpointing": True,
                "batch_size": 1,
                "gradient_accumulation": 8,
                "quantization": "4bit",
            }
        },
    ),
    "mac64": ("Qwen3.5 9B", 2, {}),
}


@pytest.mark.parametrize("machine", FIRST)
def test_what_comes_first_on_a_machine(machine: str) -> None:
    name, tier, settings = FIRST[machine]
    advice = get_advice(get_machine(machine), Demand("sft", rows=1000, tokens=400))
    first = advice[0]
    assert (first.model.name, first.tier, first.fits) == (name, tier, "fits")
    assert first.settings == {"model": {"source": first.model.id}, **settings}
    assert first.memory_gb == round(sum(first.parts.values()), 1) <= 0.8 * first.room_gb
    order = [("fits", "tight", "exceeds").index(one.fits) for one in advice if not one.obstacle]
    assert order == sorted(order) and [bool(one.obstacle) for one in advice] == sorted(
        bool(one.obstacle) for one in advice
    )
    assert len(advice) == sum(model.text for model in load_catalogue())
    assert first.model.name not in [one.model.name for one in advice if one.model.mixture or one.model.gated]


def test_a_processor_gets_a_model_that_is_done_in_time() -> None:
    advice = get_advice(LAPTOP, Demand("sft", rows=1000, tokens=400))
    assert advice[0].profile == "cpu" and advice[0].tier == 1 and (advice[0].hours or 9) < 3
    assert find(advice, "SmolLM2 135M").download_gb == 0.27, "from the package index"
    assert find(advice, "SmolLM2 135M").settings == {"model": {"source": "embedded:smollm2-135m-instruct"}}
    slow = find(advice, "Qwen3 8B")
    assert slow.fits == "tight" and (slow.hours or 0) > 20 and slow.settings["train"]["dtype"] == "bfloat16"
    assert find(advice, "Llama 3.3 70B").reason.startswith("too large for this machine")
    few = get_advice(LAPTOP, Demand("sft", rows=40, tokens=100))
    assert few[0].model.parameters > advice[0].model.parameters, "fewer rows leave time for a larger model"


def test_languages_and_needs_decide() -> None:
    machine = get_machine("l4")
    names = [one.model.name for one in get_advice(machine, Demand("sft", languages=("de",)))]
    english = find(get_advice(machine, Demand("sft", languages=("de",))), "OLMo 3 7B")
    assert "does not list de" in english.reason and names.index("OLMo 3 7B") > names.index("Qwen3 8B")
    pictures = get_advice(machine, Demand("vision_sft", needs=frozenset({"vision"})))
    assert pictures[0].model.name == "Qwen3-VL 8B" and all(one.model.reads_images_in_gguf for one in pictures)
    assert [one.model.name for one in get_advice(machine, Demand("tts"))] == ["Orpheus 3B 0.1"]
    search = get_advice(machine, Demand("embedding", tokens=60))
    assert {"Qwen3 Embedding 0.6B", "Qwen3 Embedding 4B"} == {one.model.name for one in search[:2]}
    thinking = get_advice(machine, Demand("sft", needs=frozenset({"thinking", "tools"})))
    assert thinking and all({"thinking", "tools"} <= one.model.abilities for one in thinking)
    assert get_advice(machine, Demand("grpo"))[0].hours is None, "what is sampled decides"


def test_memory_is_that_of_the_one_estimator_with_what_is_written() -> None:
    """On a GPU the settings that stay open are chosen at the start; the memory is that of what was advised."""
    one = find(get_advice(get_machine("l4"), Demand("sft", tokens=2048)), "Llama 3.1 8B")
    train = get_train_settings(read_method("sft"), B8.parameters, 2048, gradient_checkpointing=True, dtype="bfloat16")
    parts = get_gpu_need(B8, train, 2 * 2048, read_method("sft"))
    assert one.memory_gb == round(sum(parts.values()), 1) and "gradient checkpointing" in one.reason
    assert one.formula["memory"].endswith("(batch 2, rows of 2,048 tokens, rank 16, gradient checkpointing, bfloat16)")
    per_layer = find(get_advice(get_machine("t4"), Demand("sft", tokens=512)), "Gemma 4 E4B")
    assert per_layer.parts["weights"] > 2 * 2.8, "its tables for each layer stay 16 bit"


def test_money_is_for_rented_machines_only() -> None:
    rented = find(get_advice(get_machine("h100"), Demand("sft", rows=10_000, tokens=500)), "Qwen3 8B")
    assert rented.hours and rented.price == pytest.approx(rented.hours * 4.76, abs=0.01)
    assert find(get_advice(get_machine("t4"), Demand("sft")), "Qwen3 8B").price == 0, "Colab's T4 is free"
    own = {**get_machine("h100"), "is_rented": False}
    assert find(get_advice(own, Demand("sft")), "Qwen3 8B").price == 0


def test_the_machines_of_the_page() -> None:
    assert list_machines() == ["t4", "l4", "a100", "h100", "mac16", "mac32", "mac64"]
    profiles = {name: choose_profile(get_machine(name), "sft").name for name in list_machines()}
    assert set(profiles.values()) == {"cuda", "mac"} and profiles["mac16"] == "mac"
    assert choose_profile(get_machine("mac16"), "grpo").name == "mps", "MLX has no GRPO"
    assert choose_profile(LAPTOP).name == "cpu"
    for name, tflops in {"NVIDIA H100 PCIe": 756, "NVIDIA L40S": 362, "NVIDIA L4": 121, "Tesla T4": 65}.items():
        processor = find_processor({"gpus": [{"name": name}]})
        assert processor and processor.tflops == tflops and processor.source
    assert find_processor({"gpus": [{"name": "Quadro K620"}]}) is None, "nothing is made up"


# -------------------- time


def test_the_table_gives_what_an_h200_measured() -> None:
    """The two means that it is fitted to: packed, mixed lengths, without checkpointing."""
    machine = {"gpus": [{"name": "NVIDIA H200"}]}
    for shape, measured in ((B8, 7396), (B1, 11_867)):
        tokens = get_speed(machine, "cuda", shape).flops / get_operations(shape)
        assert tokens == pytest.approx(measured, rel=0.05)


def test_one_measured_step_gives_the_time_of_a_training_on_the_same_machine() -> None:
    """An H200, 8 rows of mixed lengths in a step: from one model to the other, and from a step to a training."""
    machine = {"gpus": [{"name": "NVIDIA H200"}]}
    train = get_train_settings(read_method("sft"), B8.parameters, 2048)
    step = read_step(3328, 3328 / 7396, B8, "cuda", train)
    same = get_speed(machine, "cuda", B8, [step])
    assert same.is_measured and get_hours(1e6, get_operations(B8), same) * 3600 == pytest.approx(1e6 / 7396)
    smaller = get_speed(machine, "cuda", B1, [step])
    assert smaller.flops / get_operations(B1) == pytest.approx(11_867, rel=0.3)
    assert not get_speed(machine, "cpu", B8, [step]).is_measured, "another profile is another machine"


def test_one_measured_step_on_this_machine_predicts_others() -> None:
    """Measured by hand with the embedded model on one core of the machine that develops this, in CPU seconds."""
    shape = Shape(134_515_008, 576, 30, 49_152)
    train = get_train_settings(read_method("sft"), shape.parameters, 512)
    speed = get_speed(LAPTOP, "cpu", shape, [read_step(2 * 102, 2.08, shape, "cpu", train)])
    for rows, tokens, steps, seconds in ((2, 102, 6, 11.34), (2, 60, 4, 4.56), (4, 128, 2, 10.02), (2, 200, 2, 6.95)):
        hours = get_hours(rows * tokens * steps, get_operations(shape), speed)
        assert hours * 3600 == pytest.approx(seconds, rel=0.3)


def test_a_finished_training_replaces_the_table() -> None:
    facts = {
        "tokens_per_second": 150.0,
        "total_parameters": 134_515_008,
        "backend": "cpu",
        "settings": {"adapter": "lora", "gradient_checkpointing": False},
        "provenance": {"ended": "2026-11-30T08:26:53+00:00"},
    }
    measured = read_measured(facts)
    assert measured and measured.flops == pytest.approx(150 * 4 * 134_515_008)
    small = Shape(134_515_008, 576, 30, 49_152)
    speed = get_speed(LAPTOP, "cpu", small, [measured])
    assert speed.is_measured and get_hours(15_000, get_operations(small), speed) * 3600 == pytest.approx(100)
    assert "2026-11-30" in speed.reason and read_measured({"total_parameters": 5}) is None


def test_tiers() -> None:
    tiers = {model.name: get_tier(model) for model in load_catalogue()}
    assert [tiers[name] for name in ("Llama 3.2 3B", "Gemma 4 E4B", "Qwen3 8B", "Qwen3 14B", "gpt-oss 20B")] == [
        1,
        1,
        2,
        3,
        3,
    ]
