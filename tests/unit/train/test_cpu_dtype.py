"""16 bit on a processor: chosen where it pays and is safe, kept over a resume, and the same training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import training
from gaslamp.config.schema import Config
from gaslamp.models.shape import Shape
from gaslamp.train import cpu_dtype
from gaslamp.train.cpu_dtype import choose_dtype, has_units, measure_ratio

WIDE = Shape(parameters=135_000_000, hidden=576, layers=30, vocabulary=49_152, inner=1536)
NARROW = Shape(parameters=100_000, hidden=64, layers=2, vocabulary=260)


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Of a wide model on a processor that multiplies bfloat16 in half the time."""
    monkeypatch.setattr(cpu_dtype, "has_units", lambda: True)
    monkeypatch.setattr(cpu_dtype, "measure_ratio", lambda hidden, inner: 0.48)
    monkeypatch.setattr("gaslamp.train.cpu_dtype.read_shape", lambda path: WIDE)
    settings = Config.model_validate({"method": "sft"})
    return SimpleNamespace(
        settings=SimpleNamespace(method="sft", train=settings.train.model_copy()),
        model=SimpleNamespace(path="model"),
        checkpoints=tmp_path / "checkpoints",
        resume=None,
    )


def test_it_is_taken_where_it_pays(plan: Any) -> None:
    chosen = choose_dtype(plan)
    assert chosen.value == "bfloat16" and "take 0.48 of float32's time in bfloat16 here" in chosen.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"units": False}, "no units for bfloat16"),
        ({"ratio": 0.9}, "take 0.90 of float32's time in bfloat16 here: too little to gain"),
        ({"shape": NARROW}, "a model of width 64 are too small"),
        ({"method": "dpo"}, "dpo compares small differences of probabilities"),
        ({"adapter": "none"}, "every weight is trained"),
        ({"start": "pissa"}, "pissa changes the base weights"),
        ({"dtype": "float32"}, "set in config.yaml"),
    ],
)
def test_it_is_not_where_it_does_not(
    plan: Any, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], reason: str
) -> None:
    monkeypatch.setattr(cpu_dtype, "has_units", lambda: change.get("units", True))
    monkeypatch.setattr(cpu_dtype, "measure_ratio", lambda hidden, inner: change.get("ratio", 0.48))
    monkeypatch.setattr("gaslamp.train.cpu_dtype.read_shape", lambda path: change.get("shape", WIDE))
    plan.settings.method = change.get("method", "sft")
    train = plan.settings.train
    lora = train.lora.model_copy(update={"init_lora_weights": change.get("start", "default")})
    update = {"adapter": change.get("adapter", "lora"), "dtype": change.get("dtype", "auto"), "lora": lora}
    plan.settings.train = train.model_copy(update=update)
    chosen = choose_dtype(plan)
    assert chosen.value == "float32" and reason in chosen.reason


def test_a_resumed_training_keeps_its_type(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = choose_dtype(plan)
    monkeypatch.setattr(cpu_dtype, "measure_ratio", lambda hidden, inner: 1.5)
    plan.resume = plan.checkpoints / "checkpoint-5"
    assert choose_dtype(plan) == first
    (plan.checkpoints / cpu_dtype.RECORD).unlink()
    assert choose_dtype(plan).value == "float32", "a checkpoint of a version that did not choose"


def test_the_measurement_gives_a_ratio() -> None:
    assert isinstance(has_units(), bool)
    assert 0.02 < measure_ratio(256, 512) < 50


def test_16_bit_learns_the_same(tiny_model: Path, tmp_path: Path) -> None:
    losses, kinds = {}, {}
    base = training.write_base(tmp_path / "base", tiny_model, {"conversation": training.ROWS["conversation"]})
    for dtype in ("float32", "bfloat16"):
        facts, steps = training.train(base, tmp_path / dtype, "sft", dtype=dtype, learning_rate=0.005)
        kinds[dtype] = facts.dtype
        losses[dtype] = [step["loss"] for step in steps]
    assert kinds == {"float32": "float32", "bfloat16": "bfloat16"}
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.03)
