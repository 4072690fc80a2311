"""Training on the tiny model: pinned losses, equal gradients, checkpoints that are whole or skipped, and every stop."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
from gaslamp import training, trl_engine
from gaslamp.config import Config, get_slice, parse_slice
from gaslamp.contracts import TrainFacts
from gaslamp.data.prepare import prepare_data
from gaslamp.errors import GaslampError, Interrupted
from gaslamp.events import get_history, read_events
from gaslamp.models import fetch_model
from gaslamp.sampling import LengthSampler
from gaslamp.training import check_checkpoint, find_checkpoint

# Seed 3407, 10 steps of 4 rows, learning rate 0.02: what this recipe gives with torch 2.13, transformers 5.17, trl 1.14, peft 0.21.
GOLDEN = [5.1596, 5.2699, 2.7052, 1.4492, 0.7394, 0.4764, 0.3555, 0.3733, 0.3177, 0.3103]


@pytest.fixture(scope="module")
def data(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.json, the splits and the template."""
    folder = tmp_path_factory.mktemp("data")
    source = tiny.write_rows(folder / "notes.csv")
    config = Config.model_validate({"model": {"source": str(tiny_model)}, "data": {"source": str(source), "rehearsal": 0.0}})
    fetch_model(config.model, folder / "model.json")
    names = {split: folder / f"{split}.jsonl" for split in ("train", "valid", "test")}
    others = {"template": folder / "template.json", "card": folder / "card.json", "strategy": folder / "strategy.md"}
    prepare_data(parse_slice(get_slice(config, "method", "data", "train.max_length")), folder / "model.json", names | others)
    return folder


def train(data: Path, place: Path, model: Path | None = None, **settings: Any) -> TrainFacts:
    """Train in ``place``; 10 steps of 4 rows unless said otherwise."""
    fixed = {"scheduler": "cosine", "adam_beta2": 0.95, "seed": 3407, "lora": {"r": 16, "alpha": 32}}  # whatever the defaults become
    values = {"learning_rate": 0.02, "max_steps": 10, "batch_size": 4, "warmup_steps": 2, **fixed, **settings}
    config = Config.model_validate({"train": values})
    training.train_model(
        parse_slice(get_slice(config, "backend", "method", "train")), model or data / "model.json", data / "train.jsonl", data / "valid.jsonl",
        data / "template.json", place / "checkpoints", place / "metrics.jsonl", place / "adapters", place / "train.json",
    )  # fmt: skip
    return TrainFacts.read(place / "train.json")


def get_losses(place: Path) -> list[float]:
    return [step["loss"] for step in get_history(read_events(place / "metrics.jsonl"))]


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("undisturbed")
    train(data, place, save_steps=2)
    return place


def test_golden_losses(undisturbed: Path) -> None:
    assert get_losses(undisturbed) == pytest.approx(GOLDEN, rel=0.02)


def test_facts(undisturbed: Path, data: Path) -> None:
    facts, losses = TrainFacts.read(undisturbed / "train.json"), get_losses(undisturbed)
    assert (facts.steps, facts.attempts, facts.resumed_from, facts.device, facts.dtype) == (10, 1, [], "cpu", "float32")
    assert facts.loss_first == losses[0] and facts.loss_last == losses[-1] < losses[0]
    assert facts.valid_loss_first is not None and facts.valid_loss_last is not None and facts.valid_loss_last < facts.valid_loss_first
    rows = len((data / "train.jsonl").read_text().splitlines())
    assert facts.train_rows == rows and facts.trained_tokens == 3 * rows, "o, k and the end token"
    per_layer = 16 * (4 * (64 + 64) + 3 * (64 + 128))
    assert facts.trainable_parameters == 2 * per_layer
    assert facts.peak_memory_gb > 0 and facts.probe["tokens"] > 100 and facts.decisions["dtype"].startswith("float32")


def test_adapter_names_no_path_of_this_machine(undisturbed: Path) -> None:
    names = {path.name for path in (undisturbed / "adapters").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= names and "README.md" not in names
    assert not list(undisturbed.glob(".*.unfinished"))


def test_events_of_a_whole_training(undisturbed: Path) -> None:
    events = read_events(undisturbed / "metrics.jsonl")
    assert [event["event"] for event in events][0] == "start" and events[-1] == {**events[-1], "event": "end", "status": "completed", "step": 10}
    assert [event["step"] for event in get_history(events)] == list(range(1, 11))
    assert [event["step"] for event in get_history(events, "eval")] == [0, 5, 10]
    assert [event["step"] for event in events if event["event"] == "save"][:3] == [2, 4, 6]
    assert all(event["tokens"] > 0 and event["seconds"] > 0 and event["grad_norm"] > 0 for event in get_history(events))


def test_accumulated_batches_train_as_one_batch(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path / "one", batch_size=4, gradient_accumulation=1)
    train(data, tmp_path / "four", batch_size=1, gradient_accumulation=4)
    assert get_losses(tmp_path / "four") == pytest.approx(get_losses(tmp_path / "one"), rel=2e-3)


# -------------------------------------------------------------------------------------------------------------- stops


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int, how: Any) -> None:
    """Let ``how()`` happen at the end of ``step``."""
    decide = trl_engine.Watcher._decide

    def patched(self: Any, state: Any, control: Any) -> None:
        if state.global_step == step:
            how()
        decide(self, state, control)

    monkeypatch.setattr(trl_engine.Watcher, "_decide", patched)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_same_call_goes_on(
    data: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        stop_at(patch, 4, lambda: os.kill(os.getpid(), number))
        with pytest.raises(Interrupted) as caught:
            train(data, tmp_path)
    assert caught.value.code == 130 and f"step 4 of 10 ({number.name}); checkpoint-4 is saved" in caught.value.cause
    assert "run the same command" in caught.value.fix and signal.getsignal(number) is before
    assert not (tmp_path / "adapters").exists() and not (tmp_path / "train.json").exists()
    facts = train(data, tmp_path)
    assert (facts.steps, facts.attempts, facts.resumed_from) == (10, 2, [4])
    assert get_losses(tmp_path) == pytest.approx(get_losses(undisturbed), rel=1e-4)
    ends = [event for event in read_events(tmp_path / "metrics.jsonl") if event["event"] == "end"]
    assert [event["status"] for event in ends] == ["interrupted", "completed"]


def test_a_resume_in_a_later_epoch_sees_the_same_rows(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of each epoch comes from seed and epoch alone, and the epochs differ."""
    train(data, tmp_path / "whole", max_steps=20)
    with monkeypatch.context() as patch:
        stop_at(patch, 16, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(Interrupted):
            train(data, tmp_path / "two", max_steps=20)
    assert train(data, tmp_path / "two", max_steps=20).resumed_from == [16]
    assert get_losses(tmp_path / "two") == pytest.approx(get_losses(tmp_path / "whole"), rel=1e-4)


def test_order_of_the_rows() -> None:
    """Every row once, like lengths together, from seed and epoch alone."""
    lengths = [5 + (n * 37) % 50 for n in range(203)]
    sampler = LengthSampler(lengths, 4, 7)
    first, again = list(sampler), list(LengthSampler(lengths, 4, 7))
    sampler.set_epoch(1)
    second = list(sampler)
    assert first == again and sorted(first) == sorted(second) == list(range(203)) and second != first != list(LengthSampler(lengths, 4, 8))

    def count_padding(order: list[int]) -> int:
        batches = [order[start : start + 4] for start in range(0, len(order), 4)]
        return sum(max(lengths[row] for row in batch) * len(batch) - sum(lengths[row] for row in batch) for batch in batches)

    assert count_padding(first) < count_padding(list(range(203))) / 4


def test_a_touch_asks_for_a_checkpoint(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_at(monkeypatch, 3, lambda: (tmp_path / "checkpoints" / "SAVE").touch())
    train(data, tmp_path)
    assert [event["step"] for event in read_events(tmp_path / "metrics.jsonl") if event["event"] == "save"][0] == 3
    assert not (tmp_path / "checkpoints" / "SAVE").exists()


def test_other_settings_start_afresh_and_old_checkpoints_go(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 4, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(Interrupted):
            train(data, tmp_path)
    facts = train(data, tmp_path, learning_rate=0.01)
    assert facts.resumed_from == [] and facts.attempts == 1
    assert len([path for path in (tmp_path / "checkpoints").iterdir() if path.is_dir()]) == 1


def test_how_often_is_saved_does_not_lose_the_checkpoints(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 4, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(Interrupted):
            train(data, tmp_path)
    assert train(data, tmp_path, save_minutes=9.0, save_steps=3).resumed_from == [4]


def test_a_loss_that_is_no_number_stops_before_the_first_step(data: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = tiny.write_checkpoint(tmp_path / "nan-model")
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"][:] = math.nan
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    fetch_model(SimpleNamespace(source=str(folder), revision=None), tmp_path / "model.json")
    with pytest.raises(GaslampError, match="the loss became nan at step 0") as caught:
        train(data, tmp_path, model=tmp_path / "model.json")
    assert "train.learning_rate" in caught.value.fix and not (tmp_path / "adapters").exists()


def test_a_loss_that_becomes_no_number_stops_and_keeps_the_checkpoint(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = trl_engine.Watcher._log

    def patched(self: Any, state: Any, control: Any, logs: dict[str, Any]) -> None:
        log(self, state, control, {**logs, "loss": math.nan} if "loss" in logs and state.global_step == 5 else logs)

    monkeypatch.setattr(trl_engine.Watcher, "_log", patched)
    with pytest.raises(GaslampError, match=r"became nan at step 5; training stopped, checkpoint-4 is kept"):
        train(data, tmp_path, save_steps=2)
    events = read_events(tmp_path / "metrics.jsonl")
    assert events[-1]["status"] == "error" and get_history(events)[-1]["loss"] is None and get_history(events)[-1]["loss_flag"] == "nan"
    assert not (tmp_path / "adapters").exists()


# -------------------------------------------------------------------------------------------------------- checkpoints


@pytest.fixture
def saved(undisturbed: Path, tmp_path: Path) -> Path:
    """A folder with two whole checkpoints."""
    folder = next(path for path in (undisturbed / "checkpoints").iterdir() if path.is_dir())
    shutil.copytree(folder, tmp_path / "saved")
    return tmp_path / "saved"


def test_the_newest_whole_checkpoint(saved: Path, tmp_path: Path) -> None:
    steps = sorted(int(path.name.split("-")[1]) for path in saved.glob("checkpoint-*"))
    assert steps == [8, 10] and all(check_checkpoint(path) is None for path in saved.glob("checkpoint-*"))
    newest = find_checkpoint(saved)
    assert newest is not None and newest.name == f"checkpoint-{steps[-1]}"
    assert find_checkpoint(tmp_path / "nothing") is None


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json", "optimizer.pt", "scheduler.pt", "trainer_state.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_a_broken_checkpoint_is_skipped_and_said(saved: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str) -> None:
    said: list[str] = []
    monkeypatch.setattr(training, "say", said.append)
    newest = find_checkpoint(saved)
    assert newest is not None
    file = newest / name
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if damage == "cut" else b"")
    older = find_checkpoint(saved)
    assert older is not None and older != newest
    assert len(said) == 1 and said[0].startswith(f"{newest.name} is incomplete")


def test_a_renamed_checkpoint_is_not_believed(saved: Path) -> None:
    newest = find_checkpoint(saved)
    assert newest is not None
    newest.rename(saved / "checkpoint-99")
    assert find_checkpoint(saved) != saved / "checkpoint-99"
    assert json.loads((saved / "checkpoint-99" / "trainer_state.json").read_text())["global_step"] != 99


def test_folders_of_other_tools_are_left_alone(saved: Path) -> None:
    newest = find_checkpoint(saved)
    (saved / "checkpoint-best").mkdir()
    (saved / "tmp-checkpoint-12").mkdir()
    assert find_checkpoint(saved) == newest
