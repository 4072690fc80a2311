"""What only a GPU showed, reproduced without one: trainers that drop the adapter, a probe in 32-bit arithmetic."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import training
import trl
from gaslamp.core.errors import GaslampError
from gaslamp.train.trl import engine, probe
from gaslamp.train.trl.state import keep_compiled
from safetensors.torch import load_file

TRAINERS = {"reward": "RewardTrainer", "vision_sft": "SFTTrainer"}


@pytest.fixture(scope="module")
def bases(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return training.write_bases(tmp_path_factory.mktemp("bases") / "base", tiny_model)


def drop_adapters(monkeypatch: pytest.MonkeyPatch, trainer: str) -> None:
    """A stand-in for Unsloth's patch on a GPU: TRL's trainer takes a peft_config and forgets it."""
    original = getattr(trl, trainer)

    class Patched(original):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, peft_config: object = None, **more: Any) -> None:
            super().__init__(*args, **more)

    monkeypatch.setattr(trl, trainer, Patched)


@pytest.mark.parametrize("name", sorted(TRAINERS))
def test_a_trainer_that_drops_the_adapter_trains_one_all_the_same(
    name: str, bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, expected = training.train(bases, tmp_path / "plain", name, max_steps=4)
    drop_adapters(monkeypatch, TRAINERS[name])
    with pytest.raises(GaslampError, match="was made without an adapter"):
        training.train(bases, tmp_path / "dropped", name, max_steps=4)
    monkeypatch.setattr(engine, "train_with_trl", partial(engine.train_with_trl, adapter_first=True))
    _, steps = training.train(bases, tmp_path / "first", name, max_steps=4)
    losses, wanted = [step["loss"] for step in steps], [step["loss"] for step in expected]
    assert losses[0] == pytest.approx(wanted[0], rel=1e-6) and losses == pytest.approx(wanted, rel=0.01), (
        "the same training, but for the random numbers of the adapter's first matrices"
    )
    plain, first = (
        load_file(tmp_path / place / "adapters" / "adapter_model.safetensors") for place in ("plain", "first")
    )

    def find_moved(weights: dict[str, torch.Tensor]) -> set[str]:  # zero before the first step
        return {key for key, tensor in weights.items() if "lora_B" in key and tensor.abs().max() > 0}

    assert find_moved(first) == find_moved(plain) != set() and first.keys() == plain.keys()


def test_the_probe_computes_in_the_arithmetic_of_the_training(
    bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU a probe in 32 bit took 51.7 GB where the training took far less: users would be refused."""
    seen: dict[str, set[torch.dtype]] = {"probe": set(), "training": set()}
    phase = ["training"]

    def watch(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        seen[phase[0]].add(output.dtype)

    def measure(trainer: Any, *args: Any, **more: Any) -> dict[str, float]:
        layer = next(m for n, m in trainer.model.named_modules() if n.endswith("gate_proj.base_layer"))
        layer.register_forward_hook(watch)
        phase[0] = "probe"
        try:
            return probe.probe_longest(trainer, *args, **more)
        finally:
            phase[0] = "training"

    original = engine.train_with_trl

    def in_bfloat16(plan: Any, events: Any, arguments: dict[str, Any], *rest: Any, **more: Any) -> Any:
        return original(plan, events, {**arguments, "bf16": True}, *rest, **more)

    monkeypatch.setattr(engine, "probe_longest", measure)
    monkeypatch.setattr(engine, "train_with_trl", in_bfloat16)
    training.train(bases, tmp_path, "sft", max_steps=2)
    assert seen == {"probe": {torch.bfloat16}, "training": {torch.bfloat16}}


def test_what_the_probe_compiled_is_kept_for_the_training() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    model[0]._unsloth_pretrain_marker = {"seen": False, "hook": None}  # type: ignore[assignment]
    with keep_compiled(model):
        model[0]._unsloth_pretrain_marker["seen"] = True  # type: ignore[index, operator]
    assert model[0]._unsloth_pretrain_marker["seen"] is False  # type: ignore[index, operator]
