"""Training on the tiny model: pinned losses, equal gradients, checkpoints that are whole or skipped, and every stop."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import shutil
import signal
import socket
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.contracts import ModelFacts, TrainFacts
from gaslamp.core.decisions import get_texts
from gaslamp.core.errors import GaslampError, Interrupted
from gaslamp.core.events import get_history, read_events
from gaslamp.core.files import write_jsonl
from gaslamp.data.prepare import prepare_data
from gaslamp.models.fetch import fetch_model
from gaslamp.models.loading import load_tokenizer
from gaslamp.models.template import build_template
from gaslamp.train import checkpoints
from gaslamp.train import run as training
from gaslamp.train.checkpoints import check_checkpoint, find_checkpoint
from gaslamp.train.methods import cpt
from gaslamp.train.oom import get_steps_down, is_out_of_memory
from gaslamp.train.preflight import find_tracker_problems
from gaslamp.train.problems import PlannedRun, find_run_problems
from gaslamp.train.sampler import LengthSampler
from gaslamp.train.trl import callback, engine, probe
from gaslamp.train.trl.arguments import count_trained
from gaslamp.train.watcher import Watcher
from training import refuse_memory

# Seed 3407, 10 steps of 4 rows, learning rate 0.02: what this recipe gives with torch 2.13, transformers 5.17, trl
# 1.14, peft 0.21.
GOLDEN = [5.1596, 5.2699, 2.7052, 1.4492, 0.7394, 0.4764, 0.3555, 0.3733, 0.3177, 0.3103]


@pytest.fixture(scope="module")
def data(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.json, the splits and the template."""
    folder = tmp_path_factory.mktemp("data")
    source = tiny.write_rows(folder / "notes.csv")
    config = Config.model_validate(
        {"model": {"source": str(tiny_model)}, "data": {"source": str(source), "rehearsal": 0.0}}
    )
    fetch_model(config.model, folder / "model.json")
    names = {split: folder / f"{split}.jsonl" for split in ("train", "valid", "test")}
    others = {"template": folder / "template.json", "card": folder / "card.json", "strategy": folder / "strategy.md"}
    prepare_data(
        parse_slice(get_slice(config, "method", "data", "train.max_length", "train.thinking")),
        folder / "model.json",
        names | others,
    )
    return folder


def train(data: Path, place: Path, model: Path | None = None, **settings: Any) -> TrainFacts:
    """Train in ``place``; 10 steps of 4 rows unless said otherwise."""
    fixed = {
        "scheduler": "cosine",
        "adam_beta2": 0.95,
        "seed": 3407,
        "max_length": 512,
        "lora": {"r": 16, "alpha": 32},
    }  # whatever the defaults become
    values = {"learning_rate": 0.02, "max_steps": 10, "batch_size": 4, "warmup_steps": 2, **fixed, **settings}
    config = Config.model_validate({"train": values})
    training.train_model(
        parse_slice(get_slice(config, "backend", "method", "train")),
        model or data / "model.json",
        data / "train.jsonl",
        data / "valid.jsonl",
        data / "template.json",
        place / "checkpoints",
        place / "metrics.jsonl",
        place / "adapters",
        place / "train.json",
    )
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
    assert (
        facts.valid_loss_first is not None
        and facts.valid_loss_last is not None
        and facts.valid_loss_last < facts.valid_loss_first
    )
    rows = len((data / "train.jsonl").read_text().splitlines())
    assert facts.train_rows == rows and facts.trained_tokens == 3 * rows, "o, k and the end token"
    per_layer = 16 * (4 * (64 + 64) + 3 * (64 + 128))
    assert facts.trainable_parameters == 2 * per_layer
    assert (
        facts.peak_memory_gb > 0
        and facts.probe["tokens"] > 100
        and get_texts(facts.decisions)["dtype"].startswith("float32")
    )


def test_adapter_names_no_path_of_this_machine(undisturbed: Path) -> None:
    names = {path.name for path in (undisturbed / "adapters").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= names and "README.md" not in names
    assert not list(undisturbed.glob(".*.unfinished"))


def test_events_of_a_whole_training(undisturbed: Path) -> None:
    events = read_events(undisturbed / "metrics.jsonl")
    assert [event["event"] for event in events][0] == "start" and events[-1] == {
        **events[-1],
        "event": "end",
        "status": "completed",
        "step": 10,
    }
    assert [event["step"] for event in get_history(events)] == list(range(1, 11))
    # more measurements would take over a twentieth of so short a training
    assert [event["step"] for event in get_history(events, "eval")] == [0, 10]
    assert [event["step"] for event in events if event["event"] == "save"][:3] == [2, 4, 6]
    assert all(event["tokens"] > 0 and event["seconds"] > 0 and event["grad_norm"] > 0 for event in get_history(events))


def test_accumulated_batches_train_as_one_batch(data: Path, tmp_path: Path) -> None:
    train(data, tmp_path / "one", batch_size=4, gradient_accumulation=1)
    train(data, tmp_path / "four", batch_size=1, gradient_accumulation=4)
    assert get_losses(tmp_path / "four") == pytest.approx(get_losses(tmp_path / "one"), rel=2e-3)


# -------------------------------------------------------------------------------------------------------------- stops


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int, how: Any) -> None:
    """Let ``how()`` happen at the end of ``step``."""
    decide = callback.decide_after_step

    def patched(watcher: Any, state: Any, control: Any) -> None:
        if state.global_step == step:
            how()
        decide(watcher, state, control)

    monkeypatch.setattr(callback, "decide_after_step", patched)


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


def test_a_stop_in_a_validation_does_not_wait_for_its_end(
    data: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is saved, and the validation loss that is missing is measured when the training goes on."""
    seen = []
    look = Watcher.look_in_validation

    def stop(watcher: Watcher) -> None:
        if watcher.step == 6:
            seen.append(1)
            if len(seen) == 1:
                os.kill(os.getpid(), signal.SIGTERM)
        look(watcher)

    with monkeypatch.context() as patch:
        patch.setattr(Watcher, "look_in_validation", stop)
        with pytest.raises(Interrupted, match=r"step 6 of 10 \(SIGTERM\); checkpoint-6 is saved"):
            train(data, tmp_path, valid_rows=8)
    assert len(seen) == 1
    facts = train(data, tmp_path, valid_rows=8)
    assert (facts.steps, facts.resumed_from) == (10, [6])
    assert get_losses(tmp_path) == pytest.approx(get_losses(undisturbed), rel=1e-4)
    measured = get_history(read_events(tmp_path / "metrics.jsonl"), "eval")
    assert [event["step"] for event in measured] == list(range(11)), "that of step 6 too"


def test_a_resume_in_a_later_epoch_sees_the_same_rows(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert (
        first == again
        and sorted(first) == sorted(second) == list(range(203))
        and second != first != list(LengthSampler(lengths, 4, 8))
    )

    def count_padding(order: list[int]) -> int:
        batches = [order[start : start + 4] for start in range(0, len(order), 4)]
        return sum(
            max(lengths[row] for row in batch) * len(batch) - sum(lengths[row] for row in batch) for batch in batches
        )

    assert count_padding(first) < count_padding(list(range(203))) / 4


def test_a_touch_asks_for_a_checkpoint(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_at(monkeypatch, 3, lambda: (tmp_path / "checkpoints" / "SAVE").touch())
    train(data, tmp_path)
    assert [event["step"] for event in read_events(tmp_path / "metrics.jsonl") if event["event"] == "save"][0] == 3
    assert not (tmp_path / "checkpoints" / "SAVE").exists()


def test_other_settings_start_afresh_and_old_checkpoints_go(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 4, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(Interrupted):
            train(data, tmp_path)
    facts = train(data, tmp_path, learning_rate=0.01)
    assert facts.resumed_from == [] and facts.attempts == 1
    assert len([path for path in (tmp_path / "checkpoints").iterdir() if path.is_dir()]) == 1


def test_how_often_is_saved_does_not_lose_the_checkpoints(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    fetch_model(SimpleNamespace(source=str(folder), revision=None, adapter=None), tmp_path / "model.json")
    with pytest.raises(GaslampError, match="the loss became nan at step 0") as caught:
        train(data, tmp_path, model=tmp_path / "model.json")
    assert "train.learning_rate" in caught.value.fix and not (tmp_path / "adapters").exists()


def test_a_loss_that_becomes_no_number_stops_and_keeps_the_checkpoint(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = callback.log_values

    def patched(watcher: Any, state: Any, control: Any, logs: dict[str, Any]) -> None:
        log(watcher, state, control, {**logs, "loss": math.nan} if "loss" in logs and state.global_step == 5 else logs)

    monkeypatch.setattr(callback, "log_values", patched)
    with pytest.raises(GaslampError, match=r"became nan at step 5; training stopped, checkpoint-4 is kept"):
        train(data, tmp_path, save_steps=2)
    events = read_events(tmp_path / "metrics.jsonl")
    assert (
        events[-1]["status"] == "error"
        and get_history(events)[-1]["loss"] is None
        and get_history(events)[-1]["loss_flag"] == "nan"
    )
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


def harm(data: bytes, damage: str) -> bytes:
    """``data`` in half, gone, with zeros in the middle, or still readable with something else in it."""
    third, half = len(data) // 3, len(data) // 2
    zeroed = data[:third] + bytes(third) + data[2 * third :]
    other = b"[]" if data[:1] == b"{" else data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]
    return {"cut": data[:half], "empty": b"", "zeros": zeroed, "another value": other}[damage]


@pytest.mark.parametrize(
    "name",
    [
        "adapter_model.safetensors",
        "adapter_config.json",
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "trainer_state.json",
    ],
)
@pytest.mark.parametrize("damage", ["missing", "cut", "empty", "zeros", "another value"])
def test_a_broken_checkpoint_is_skipped_and_said(
    saved: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str
) -> None:
    said: list[str] = []
    monkeypatch.setattr(checkpoints, "say", said.append)
    newest = find_checkpoint(saved)
    assert newest is not None
    file = newest / name
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(harm(file.read_bytes(), damage))
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


# ------------------------------------------------------------------------------- packing, every weight, running text


SMALL: dict[str, Any] = {
    "learning_rate": 0.02,
    "max_steps": 10,
    "batch_size": 4,
    "gradient_accumulation": 1,
    "max_length": 128,
    "scheduler": "cosine",
    "warmup_steps": 2,
    "adam_beta2": 0.95,
    "seed": 3407,
    "save_minutes": 600.0,
    "lora": {"r": 16, "alpha": 32},
}


def prepare(folder: Path, kind: str) -> Path:
    """model.json, template.json, 40 training and 8 validation rows of ``kind``,
    as the phases before training leave them.
    """
    fetch_model(
        SimpleNamespace(source=str(tiny.write_checkpoint(folder / "model")), revision=None, adapter=None),
        folder / "model.json",
    )
    build_template(folder / "model", [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]).write(
        folder / "template.json"
    )
    rows = []
    for n in range(48):
        note = f"{n % 9 + 1} {tiny.ITEMS[n % 10]} for {tiny.NAMES[n % 6]}"
        talk = [{"role": "user", "content": note}, {"role": "assistant", "content": "ok"}]
        rows.append({"id": str(n), **({"text": f"{note}. " * (1 + n % 3)} if kind == "text" else {"messages": talk})})
    write_jsonl(folder / "train.jsonl", rows[:40])
    write_jsonl(folder / "valid.jsonl", rows[40:])
    return folder


def train_small(data: Path, place: Path, method: str, **settings: Any) -> TrainFacts:
    """Train ``method`` on the files of ``prepare`` in ``place``."""
    config = Config.model_validate(
        {"method": method, "backend": settings.pop("backend", "cpu"), "train": {**SMALL, **settings}}
    )
    training.train_model(
        parse_slice(get_slice(config, "backend", "method", "train")),
        data / "model.json",
        data / "train.jsonl",
        data / "valid.jsonl",
        data / "template.json",
        place / "checkpoints",
        place / "metrics.jsonl",
        place / "adapters",
        place / "train.json",
    )
    return TrainFacts.read(place / "train.json")


def get_steps(place: Path) -> list[dict[str, Any]]:
    return get_history(read_events(place / "metrics.jsonl"))


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("texts"), "text")


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("talks"), "conversation")


@pytest.mark.parametrize("method", ["sft", "cpt"])
def test_packed_rows_train_as_single_rows(talks: Path, texts: Path, tmp_path: Path, method: str) -> None:
    """All rows in one batch, packed or not: the same tokens, so the same loss and the same gradient;
    no row sees another.
    """
    data = talks if method == "sft" else texts
    both = []
    for packing in (False, True):
        place = tmp_path / str(packing)
        facts = train_small(data, place, method, packing=packing, batch_size=64, max_steps=2, max_length=512)
        both.append(
            (facts.train_rows, facts.trained_tokens, [(step["loss"], step["grad_norm"]) for step in get_steps(place)])
        )
    assert both[0][:2] == both[1][:2] and both[0][0] == 40
    for plain, packed in zip(both[0][2], both[1][2], strict=True):
        assert packed == pytest.approx(plain, rel=1e-3)


def test_padding_takes_no_end_token_from_the_loss(talks: Path) -> None:
    """Rows of two lengths in one batch: every answer keeps its end in the labels,
    and only what is filled up carries none.
    """
    from gaslamp.core.contracts import Template
    from gaslamp.models.template import Renderer
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    template = Template.read(talks / "template.json")
    renderer = Renderer.load(ModelFacts.read(talks / "model.json").path, template)
    rows = [
        renderer.encode([{"role": "user", "content": text}, {"role": "assistant", "content": "ok"}])
        for text in ("tea", "a much longer order")
    ]
    batch = DataCollatorForLanguageModeling(pad_token_id=renderer.tokenizer.pad_token_id)(
        [{"input_ids": row.ids, "labels": row.labels} for row in rows]
    )
    assert renderer.tokenizer.pad_token_id == template.pad_id not in template.stop_ids
    for row, ids, labels in zip(rows, batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
        assert labels[: len(row.ids)] == row.labels and set(labels[len(row.ids) :]) <= {-100}
        assert labels.count(template.eos_id) == 1 and set(ids[len(row.ids) :]) <= {template.pad_id}


def test_eight_rows_at_once_or_accumulated(talks: Path, tmp_path: Path) -> None:
    train_small(talks, tmp_path / "one", "sft", batch_size=8, gradient_accumulation=1)
    train_small(talks, tmp_path / "eight", "sft", batch_size=1, gradient_accumulation=8)
    assert get_losses(tmp_path / "eight") == pytest.approx(get_losses(tmp_path / "one"), rel=2e-3)


def test_every_weight_is_trained_without_an_adapter(
    talks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder then holds a whole model; a stop and a resume lose nothing,
    and its checkpoints are checked like the others.
    """
    settings = {"adapter": "none", "learning_rate": 0.002}
    facts = train_small(talks, tmp_path / "whole", "sft", **settings)
    assert facts.trainable_parameters == facts.total_parameters and facts.loss_last < facts.loss_first / 2
    folder = tmp_path / "whole" / "adapters"
    assert {"config.json", "model.safetensors"} <= {path.name for path in folder.iterdir()} and not (
        folder / "adapter_config.json"
    ).exists()
    from gaslamp.models.loading import load_model

    base, tuned = (load_model(ModelFacts.read(talks / "model.json").path, "float32", where) for where in (None, folder))
    assert not base.lm_head.weight.equal(tuned.lm_head.weight)
    with monkeypatch.context() as patch:
        stop_at(patch, 4, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(Interrupted):
            train_small(talks, tmp_path / "two", "sft", **settings)
    checkpoint = next((tmp_path / "two" / "checkpoints").glob("*/checkpoint-4"))
    assert check_checkpoint(checkpoint) is None
    assert train_small(talks, tmp_path / "two", "sft", **settings).resumed_from == [4]
    assert get_losses(tmp_path / "two") == pytest.approx(get_losses(tmp_path / "whole"), rel=1e-4)
    assert [step["tokens"] for step in get_steps(tmp_path / "two")] == [
        step["tokens"] for step in get_steps(tmp_path / "whole")
    ]


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_broken_checkpoint_of_a_whole_model(tmp_path: Path, damage: str) -> None:
    folder = tiny.write_checkpoint(tmp_path / "checkpoint-3")
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("x", "")
    (folder / "trainer_state.json").write_text('{"global_step": 3}')
    assert check_checkpoint(folder) is None
    weights = folder / "model.safetensors"
    if damage == "missing":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[:1000])
    assert check_checkpoint(folder)


def test_documents_are_cut_into_pieces_and_their_end_is_trained(texts: Path) -> None:
    tokenizer = load_tokenizer(ModelFacts.read(texts / "model.json").path)
    ids = cpt.encode_text(tokenizer, "abc")
    assert ids[-1] == tokenizer.eos_token_id and tokenizer.decode(ids[:-1]).endswith("abc")
    assert cpt.split(list(range(10)), 4) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert cpt.split(list(range(9)), 4) == [[0, 1, 2, 3], [4, 5, 6, 7]], "one token alone predicts nothing"
    assert cpt.validate({"text": " "}) and not cpt.validate({"text": "a"})


# ------------------------------------------------------------------------------------------------------ memory runs out


def test_too_little_memory_is_reported_before_the_first_step(
    talks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_memory(monkeypatch, lambda model, ids: True)
    with pytest.raises(
        GaslampError, match=r"not enough memory for the first step: 4 rows of up to \d+ tokens"
    ) as caught:
        train_small(talks, tmp_path, "sft")
    assert "train.gradient_checkpointing: true" in caught.value.fix and "train.on_oom: adapt" in caught.value.fix
    rest = str(caught.value.less_likely)
    places = [
        rest.index(words)
        for words in (
            "train.batch_size: 1 with gradient_accumulation: 4",
            "smaller model",
            "4-bit weights need an NVIDIA GPU",
        )
    ]
    assert places == sorted(places) and "max_length" not in rest, (
        "the rest of the ladder, in its order; these rows are short already"
    )


def test_the_ladder_is_gone_down_when_configured(talks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rungs that change no result: the losses are those of a run with enough memory."""
    train_small(talks, tmp_path / "enough", "sft")
    passed = refuse_memory(monkeypatch, lambda model, ids: not model.is_gradient_checkpointing or len(ids) > 1)
    facts = train_small(talks, tmp_path / "little", "sft", on_oom="adapt")
    assert facts.steps == 10 and {rows for rows, _ in passed if rows > 1} <= {2}, (
        "validation alone takes more rows at once"
    )
    assert get_losses(tmp_path / "little") == pytest.approx(get_losses(tmp_path / "enough"), rel=2e-3)
    adapted = [event for event in read_events(tmp_path / "little" / "metrics.jsonl") if event["event"] == "adapt"]
    assert [event["rung"] for event in adapted] == ["checkpointing", "one row at a time"]
    assert (
        "gradient_checkpointing: true" in get_texts(facts.decisions)["memory"]
        and "batch_size: 1" in get_texts(facts.decisions)["memory"]
    )
    trained = {key: facts.settings[key] for key in ("gradient_checkpointing", "batch_size", "gradient_accumulation")}
    assert trained == {"gradient_checkpointing": True, "batch_size": 1, "gradient_accumulation": 4}


def test_memory_that_runs_out_later_costs_no_step(talks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fifth step of the run is refused once: training goes on from the checkpoint of the fourth."""
    calls = {"n": 0}

    def too_much(model: Any, ids: Any) -> bool:
        calls["n"] += 1
        return calls["n"] == 6 and not model.is_gradient_checkpointing  # one call is the probe's

    refuse_memory(monkeypatch, too_much)
    facts = train_small(talks, tmp_path, "sft", on_oom="adapt", save_steps=2)
    assert facts.steps == 10 and facts.resumed_from == [4]


def test_rows_of_a_pass_are_chosen_and_corrected_by_what_is_measured(
    talks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real trainings by the cuda backend on this processor; the GPU and its allocator are simulated: 1 GB,
    0.5 more for each row.
    """
    from gaslamp.train import gpu as gpus

    held = {"gb": 1.0}

    def takes_memory(model: Any, ids: Any) -> bool:
        held["gb"] = max(held["gb"], 1.0 + 0.5 * len(ids))
        return held["gb"] > gpu["room"]

    def begin_measuring() -> float:
        held["gb"] = 1.0
        return held["gb"]

    def run(name: str, room: float, **settings: Any) -> list[dict[str, Any]]:
        gpu["room"] = room
        free = room + gpus.CONTEXT_GB
        monkeypatch.setattr(gpus, "read_gpu", lambda: gpus.Gpu("simulated", free, free))
        open_ = {"batch_size": None, "gradient_accumulation": None, "valid_rows": 8}
        train_small(talks, tmp_path / name, "sft", backend="cuda", engine="trl", max_steps=4, **{**open_, **settings})
        return read_events(tmp_path / name / "metrics.jsonl")

    gpu = {"room": 99.0}
    passed = refuse_memory(monkeypatch, takes_memory)
    by_size = training.choose_by_size  # the preset of a larger model: eight rows in a step
    monkeypatch.setattr(training, "choose_by_size", lambda settings, parameters: by_size(settings, 10**9))
    for module in (callback, engine, probe):
        monkeypatch.setattr(module, "get_memory_gb", lambda: held["gb"])
    monkeypatch.setattr(probe, "begin_measuring", begin_measuring)
    found = {}
    for name, room, size in (
        ("plenty", 99.0, 8),
        ("over the margin", 5.2, 4),
        ("too little", 4.0, 4),
        ("one row", 1.6, 1),
    ):
        passed.clear()
        events = run(name, room)
        kinds = [event["event"] for event in events if event["event"] in ("choice", "fit", "start", "end")]
        assert kinds == ["choice", "fit", "start", "end"], name
        fit, start = events[1], next(event for event in events if event["event"] == "start")
        assert (fit["batch_size"], fit["gradient_accumulation"]) == (size, 8 // size) and len(fit["probes"]) <= 5, (
            name,
            fit,
        )
        assert (start["settings"]["batch_size"], start["settings"]["quantization"]) == (size, "none")
        assert {rows for rows, _ in passed[-4 * (8 // size) :]} == {size}, "what was chosen is what was trained with"
        facts = TrainFacts.read(tmp_path / name / "train.json")
        assert get_texts(facts.decisions)["batch_size"].startswith(f"{size}: measured") and facts.steps == 4
        assert facts.settings["batch_size"] == size, "the settings are those that trained"
        assert start["chosen"]["batch_size"] == get_texts(facts.decisions)["batch_size"] and start[
            "chosen"
        ].keys() == set(start["settings"]["choose"]), "make status shows it"
        found[name] = [(step["loss"], step["grad_norm"]) for step in get_steps(tmp_path / name)]
    for name in ("too little", "one row"):
        for (loss, norm), same in zip(found[name], found["plenty"], strict=True):
            assert (loss, norm) == pytest.approx(same, rel=5e-3), (
                "the same rows in a step, however they are passed: the same loss and gradient"
            )
    kinds = [
        event["event"]
        for event in run(
            "set by a person",
            99.0,
            batch_size=2,
            gradient_accumulation=1,
            gradient_checkpointing=False,
            quantization="none",
        )
    ]
    assert "fit" not in kinds
    with pytest.raises(
        GaslampError, match="not enough memory"
    ):  # and no way is left: the ladder was gone down by itself
        run("nothing fits", 1.2, quantization="none")
    adapted = [
        event["rung"] for event in read_events(tmp_path / "nothing fits" / "metrics.jsonl") if event["event"] == "adapt"
    ]
    assert adapted == ["checkpointing", "one row at a time"], "on_oom is propose, but these were ours to choose"


def test_shorter_rows_only_while_most_of_them_stay() -> None:
    train = {
        "gradient_checkpointing": True,
        "batch_size": 1,
        "gradient_accumulation": 4,
        "max_length": 512,
        "packing": False,
    }
    first = get_steps_down(train, [100] * 9 + [400], False)[0]
    assert first.changes == {"max_length": 200} and not first.keeps_result and "90 %" in first.text
    names = [
        step.name for step in get_steps_down({**train, "gradient_checkpointing": False, "batch_size": 2}, [400], True)
    ]
    assert names == ["checkpointing", "one row at a time", "shorter rows", "4-bit base", "smaller model"]
    assert get_steps_down(train, [400] * 9 + [100], False)[0].changes == {}, (
        "half of the rows would be lost: a person decides"
    )
    assert [step.name for step in get_steps_down(train, [50], True)] == ["4-bit base", "smaller model"]
    assert "one row at a time" not in [
        step.name for step in get_steps_down({**train, "batch_size": 4}, [50], False, batch_is_loss=True)
    ]


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("CUDA out of memory. Tried"), RuntimeError("MPS backend out of memory")]
)
def test_words_of_the_allocators(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("memory format is wrong")) and not is_out_of_memory(
        ValueError("out of memory")
    )


def test_the_probe_is_a_whole_step_and_is_held_against_the_estimate(undisturbed: Path) -> None:
    probe = TrainFacts.read(undisturbed / "train.json").probe
    assert probe["estimated_gb"] > 0 and probe["peak_memory_gb"] > 0
    start = next(event for event in read_events(undisturbed / "metrics.jsonl") if event["event"] == "start")
    assert start["probe"] == probe


# ------------------------------------------------------------------------------------------------------------- trackers


def test_tensorboard_gets_the_metrics_next_to_our_own(
    talks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_small(talks, tmp_path / "none", "sft", max_steps=2)
    assert not (tmp_path / "none" / "trackers").exists(), "no tracker unless one is named"
    train_small(talks, tmp_path / "one", "sft", report_to=["tensorboard"])
    assert "TENSORBOARD_LOGGING_DIR" not in os.environ
    board = EventAccumulator(str(tmp_path / "one" / "trackers" / "tensorboard"))
    board.Reload()
    assert [scalar.value for scalar in board.Scalars("train/loss")] == pytest.approx(
        get_losses(tmp_path / "one"), rel=1e-5
    )


@pytest.mark.parametrize("tracker", ["trackio", "mlflow", "wandb"])
def test_other_trackers_keep_their_files_here(
    talks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracker: str
) -> None:
    """Each through the trainer, offline: nothing asks for a key, connects,
    or writes outside the run. (Where it is installed: pip install mlflow wandb.)
    """
    import sqlite3

    if importlib.util.find_spec(tracker) is None:  # not imported here: trackio looks for its folder when it is imported
        pytest.skip(f"{tracker} is not installed")
    left: list[Any] = []

    def connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            left.append(address)
            raise OSError("no network in this test")
        real(self, address)

    real = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("WANDB_API_KEY", "WANDB_MODE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    train_small(talks, tmp_path / "one", "sft", report_to=[tracker])
    place = tmp_path / "one" / "trackers"
    if tracker == "wandb":
        assert [file.stat().st_size > 1000 for file in place.glob("wandb/offline-run-*/*.wandb")] == [True]
    else:
        database, query = {
            "trackio": ("trackio/gaslamp.db", "SELECT metrics FROM metrics"),
            "mlflow": ("mlflow.db", "SELECT value FROM metrics WHERE key = 'loss' ORDER BY step"),
        }[tracker]
        with sqlite3.connect(place / database) as base:
            found = [row[0] for row in base.execute(query)]
        losses = (
            [json.loads(row)["train/loss"] for row in found if "train/loss" in json.loads(row)]
            if tracker == "trackio"
            else found
        )
        assert losses == pytest.approx(get_losses(tmp_path / "one"), rel=1e-5)
    assert left == [] and not list(tmp_path.glob("*run*")) and not list(tmp_path.glob("wandb"))
    assert not {"TRACKIO_DIR", "MLFLOW_TRACKING_URI", "WANDB_DIR", "WANDB_MODE"} & set(os.environ)


def test_a_tracker_that_is_not_installed_stops_before_anything() -> None:
    assert find_tracker_problems(["tensorboard"], None) == []
    for python in (None, sys.executable):
        [(problem, fix)] = find_tracker_problems(["no_such_tracker"], python)
        assert (
            "train.report_to names no_such_tracker, which is not installed" in problem
            and "pip install no_such_tracker" in fix
        )


def test_problems_of_every_training() -> None:
    def find(backend: str = "cpu", **train: Any) -> list[tuple[bool, str]]:
        settings = parse_slice(
            get_slice(Config.model_validate({"backend": backend, "train": train}), "backend", "method", "train")
        )
        return [
            (problem.blocking, problem.cause)
            for problem in find_run_problems(PlannedRun(settings, parameters=135_000_000, rows=100, steps=60))
        ]

    assert find() == [] and find(adapter="none") == []
    assert find(dtype="float16", adapter="none")[0][0], "blocks"
    assert (
        "Unsloth's fast kernels work with 0 only" in find("cuda", lora={"dropout": 0.1})[0][1]
        and find(lora={"dropout": 0.1}) == []
    )
    assert "damages a whole model" in find(adapter="none", learning_rate=1e-3)[0][1]


@pytest.mark.parametrize(
    ("columns", "tokens"),
    [
        ({"labels": [[-100, 5, 6], [-100, -100]]}, 2),
        ({"chosen_labels": [[-100, 5, 6]], "rejected_labels": [[-100, 7]], "prompt_input_ids": [[1]]}, 3),
        ({"prompt_ids": [[1, 2]], "chosen_ids": [[3, 4]], "rejected_ids": [[5]]}, 3),
        ({"completion_ids": [[3, 4, 5]], "completion_mask": [[1, 0, 1]], "KL_completion_mask": [[1, 1]]}, 2),
        ({"prompt": ["a"]}, 0),
    ],
)
def test_tokens_with_loss_are_counted_in_the_columns_of_every_trainer(columns: dict[str, Any], tokens: int) -> None:
    from datasets import Dataset

    assert count_trained(Dataset.from_dict(columns), set(columns)) == tokens


def test_what_is_open_goes_by_the_size_of_the_model(data: Path, tmp_path: Path) -> None:
    """The size is that of the weights; what was taken stands in train.json, and a number in the config stays."""
    facts = train(data, tmp_path, learning_rate="auto", warmup_steps=None, max_steps=2)
    assert (facts.settings["learning_rate"], facts.settings["gradient_accumulation"]) == (1e-3, 1)
    assert facts.provenance and facts.provenance.settings["train"]["learning_rate"] is None, "as the config has it"
    taken = {decision.name: decision for decision in facts.decisions}
    assert taken["learning_rate"].value == 1e-3 and taken["warmup_steps"].value == 5
    assert "below 0.5 billion parameters" in taken["learning_rate"].reason
    large = ModelFacts.read(data / "model.json").model_copy(update={"parameters": 7_615_616_512})
    large.write(tmp_path / "large.json")
    facts = train(
        data, tmp_path / "large", tmp_path / "large.json", learning_rate=None, warmup_steps=3, max_steps=2, batch_size=1
    )
    assert [facts.settings[key] for key in ("learning_rate", "gradient_accumulation", "warmup_steps")] == [2e-4, 4, 3]
    taken = {decision.name: decision for decision in facts.decisions}
    assert "from 2 to 15 billion parameters (this one has 7.62)" in taken["learning_rate"].reason
    assert "warmup_steps" not in taken, "nothing was decided: the config says it"
