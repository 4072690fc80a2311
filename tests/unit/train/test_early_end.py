"""Trainings of the tiny model that end early or keep their best weights, and what is left of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import training
from gaslamp.core.contracts import TrainFacts
from gaslamp.core.decisions import find_decision
from gaslamp.core.errors import GaslampError
from gaslamp.core.events import get_history, read_events
from gaslamp.train import validation
from gaslamp.train.history import History
from gaslamp.train.validation import BestKeeper, describe_plan, get_validation_steps, pick_rows, plan_validation
from gaslamp.train.watcher import Watcher


@pytest.fixture(scope="module")
def base(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return training.write_base(tmp_path_factory.mktemp("early"), tiny_model, training.ROWS)


def read(place: Path, kind: str) -> list[dict[str, Any]]:
    return [event for event in read_events(place / "metrics.jsonl") if event["event"] == kind]


def test_equal_rewards_end_a_training_with_its_checkpoint_kept(base: Path, tmp_path: Path) -> None:
    """No answer is the reference, as if the reward looked for something that the model never writes."""
    never = {"rewards": [{"name": "regex", "options": {"pattern": "never written by anyone"}}], "max_steps": 40}
    with pytest.raises(GaslampError) as caught:
        training.train(base, tmp_path, "grpo", **never, limits={"constant_steps": 5})
    error, folder = caught.value, next((tmp_path / "checkpoints").glob("*/"))
    assert error.cause.startswith(
        "training stopped at step 5 of 40: all answers get the same reward (0 for every answer"
    )
    assert "checkpoint-5 is kept" in error.cause and "diagnose.stop: false" in str(error.less_likely)
    assert [path.name for path in folder.glob("checkpoint-*")] == ["checkpoint-5"]
    assert not (tmp_path / "adapters").exists()
    (found,) = read(tmp_path, "finding")
    assert found["step"] == 5 and found["finding"]["name"] == "constant_reward"
    assert read(tmp_path, "end")[-1]["status"] == "error"

    # the printed way on works: the same training resumes from that checkpoint and goes through
    facts, steps = training.train(base, tmp_path, "grpo", **never | {"max_steps": 40}, limits={"stop": False})
    assert facts.resumed_from == [5] and [step["step"] for step in steps] == list(range(1, 41))
    assert [finding.name for finding in facts.findings] == ["constant_reward"]


def test_nothing_trainable_ends_before_the_first_step(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gaslamp.train.methods import sft

    build = sft.get_trainer

    def freeze(context: Any) -> Any:
        trainer = build(context)
        trainer.model.requires_grad_(False)
        return trainer

    monkeypatch.setattr(sft, "get_trainer", freeze)
    with pytest.raises(GaslampError, match="without an adapter"):
        training.train(base, tmp_path, "sft")
    monkeypatch.setattr("gaslamp.train.trl.engine.has_adapter", lambda model: True)
    with pytest.raises(GaslampError) as caught:
        training.train(base, tmp_path, "sft")
    assert caught.value.cause.startswith("training stopped at step 0 of 10: nothing is trained (0 parameters")
    assert read(tmp_path, "step") == []


RECIPE = {"learning_rate": 0.02, "max_steps": 20, "valid_rows": 4}
LOSSES = [9.0, 5.0, 3.0, 2.0, 1.0, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0]
"""What the trainer is made to measure: lowest after the fourth of ten measurements, step 8 of 20."""


@pytest.fixture
def turning_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each measurement is one of LOSSES, by its step; all else is the training as it is."""
    log = Watcher.log

    def log_planned(self: Watcher, event: str, step: int, **values: Any) -> None:
        if event == "eval":
            values["valid_loss"] = LOSSES[len([one for one in self.validations if one <= step])]
        log(self, event, step, **values)

    monkeypatch.setattr(Watcher, "log", log_planned)


def get_weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def is_equal(one: Path, other: Path) -> bool:
    import torch

    a, b = get_weights(one), get_weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def best(base: Path, tmp_path: Path, turning_up: None) -> Path:
    """A whole training with ``keep: best``."""
    training.train(base, tmp_path / "best", "sft", **RECIPE, keep="best", save_steps=8)
    return tmp_path / "best"


def test_the_best_weights_are_kept_and_recorded(base: Path, best: Path) -> None:
    facts = TrainFacts.read(best / "train.json")
    assert (facts.steps, facts.kept_step, facts.valid_loss_kept, facts.valid_loss_last) == (20, 8, 1.0, 2.0)
    kept = find_decision(facts.decisions, "kept_step")
    assert kept is not None and kept.reason == "train.keep: best, of 20 steps; validation loss 1"
    folder = next((best / "checkpoints").glob("*/"))
    assert is_equal(best / "adapters", folder / "best-8")
    assert [path.name for path in folder.glob("best-*")] == ["best-8"]
    finding = next(finding for finding in facts.findings if finding.name == "overfitting")
    assert finding.step == 8 and finding.remedies[0].changes[0].key == "train.max_steps"
    assert [change.key for change in finding.remedies[0].changes] == ["train.max_steps"], "keep is best already"


def test_patience_ends_a_training_and_a_resume_after_a_kill_gives_the_same_weights(
    base: Path, tmp_path: Path, turning_up: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = {**RECIPE, "keep": "best", "patience": 3, "save_steps": 2}
    facts, steps = training.train(base, tmp_path / "one", "sft", **recipe)
    assert (facts.steps, facts.kept_step, len(steps)) == (14, 8, 14), "three measurements after step 8 were no better"
    ended = find_decision(facts.decisions, "ended")
    assert ended is not None and "lowest at step 8 (1), 3 measurements since were no better" in ended.reason

    class Killed(BaseException):
        pass

    note = BestKeeper.note

    def note_and_die(self: BestKeeper, step: int, loss: float) -> None:
        note(self, step, loss)
        if step == 10:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(BestKeeper, "note", note_and_die)
        training.train(base, tmp_path / "two", "sft", **recipe)
    again, _ = training.train(base, tmp_path / "two", "sft", **recipe)
    assert again.resumed_from == [8] and (again.steps, again.kept_step) == (14, 8)
    assert is_equal(tmp_path / "one" / "adapters", tmp_path / "two" / "adapters")


def test_a_training_that_had_ended_is_not_continued(
    base: Path, tmp_path: Path, turning_up: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between its early end and the record: the same command writes the record, and trains no step."""
    recipe = {**RECIPE, "keep": "best", "patience": 3, "save_steps": 2}

    def die(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(BestKeeper, "take", die)
        training.train(base, tmp_path, "sft", **recipe)
    facts, steps = training.train(base, tmp_path, "sft", **recipe)
    assert (facts.steps, facts.kept_step, len(steps)) == (14, 8, 14)


def test_how_often_the_validation_is_measured_changes_no_weights(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropout = {"lora": {"dropout": 0.2}, "valid_rows": 4, "max_steps": 12}
    _, many = training.train(base, tmp_path / "many", "sft", **dropout)
    monkeypatch.setattr(validation, "POINTS", 2)
    _, few = training.train(base, tmp_path / "few", "sft", **dropout)
    assert len(get_history(read_events(tmp_path / "many" / "metrics.jsonl"), "eval")) == 11
    assert len(get_history(read_events(tmp_path / "few" / "metrics.jsonl"), "eval")) == 3
    assert [step["loss"] for step in many] == [step["loss"] for step in few]


class Settings:
    """What plan_validation reads."""

    def __init__(self, **values: Any) -> None:
        self.batch_size, self.gradient_accumulation, self.processes = 4, 1, 1
        self.keep, self.patience, self.valid_rows = "last", None, None
        self.__dict__.update(values)


@pytest.mark.parametrize(
    ("settings", "valid", "steps", "rows", "points"),
    [
        ({}, 500, 1000, 36, 10),
        ({}, 500, 100_000, 256, 10),
        ({}, 5, 100_000, 5, 10),
        ({}, 500, 110, 4, 10),  # 44 rows of 440
        ({}, 500, 100, 4, 9),
        ({}, 500, 40, 4, 3),
        ({}, 2, 40, 2, 7),  # fewer rows leave room for more measurements
        ({}, 500, 10, 4, 1),  # two are made whatever they cost
        ({}, 0, 100, 0, 0),
        ({"gradient_accumulation": 4, "processes": 2}, 500, 1000, 256, 10),
        ({"keep": "best"}, 500, 100, 32, 10),
        ({"patience": 3}, 500, 100, 32, 10),
        ({"valid_rows": 400}, 500, 10, 400, 10),
        ({"valid_rows": 400}, 12, 10, 12, 10),
    ],
)
def test_measurements_cost_a_twentieth_of_the_training(
    settings: dict[str, Any], valid: int, steps: int, rows: int, points: int
) -> None:
    count, places = plan_validation(Settings(**settings), valid, steps)  # type: ignore[arg-type]
    assert (count, len(places)) == (rows, points) and places[-1:] == [steps][:points]
    affordable = 0.1 * 4 * steps * (8 if settings.get("processes") else 1)  # a step trains 4 rows, each two passes
    assert settings or points == 1 or rows * (points + 1) <= affordable
    assert bool(describe_plan(count, valid, len(places), steps)) == (0 < points < min(10, steps))


def test_measurements_are_spread_evenly() -> None:
    assert get_validation_steps(100) == list(range(10, 101, 10))
    assert get_validation_steps(23) == [2, 5, 7, 9, 12, 14, 16, 18, 21, 23]
    assert get_validation_steps(3) == [1, 2, 3] and get_validation_steps(1) == [1]
    assert pick_rows(4, 10) == [0, 2, 5, 7] and pick_rows(0, 10) == [] and pick_rows(3, 3) == [0, 1, 2]


@pytest.mark.parametrize(
    ("losses", "patience", "ends"),
    [
        ([9, 3, 2, 1], 2, None),
        ([9, 3, 2, 2.5, 2.6], 2, "lowest at step 2 (2), 2 measurements"),
        ([9, 3, 2, 2.5, 1.9], 2, None),
        ([1, 3, 2, 2.5, 2.6], 2, "lowest at step 2 (2)"),
        ([9, 3, 2, 2.5, 2.6], None, None),
        ([9, 3, 4], 2, None),
    ],
)
def test_when_patience_is_over(tmp_path: Path, losses: list[float], patience: int | None, ends: str | None) -> None:
    history = History("sft")
    for step, loss in enumerate(losses):
        history.add({"event": "eval", "step": step, "valid_loss": loss})
    reason = BestKeeper(tmp_path, "best", patience, lambda folder: None).find_end(history)
    assert reason is None if ends is None else ends in str(reason)


def test_a_kept_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    def save(folder: Path) -> None:
        folder.mkdir()
        (folder / "weights").write_text("x")

    keeper = BestKeeper(tmp_path, "best", None, save)
    keeper.note(0, 0.1)
    assert keeper.read() is None, "the untrained model is never kept"
    keeper.note(2, 3.0)
    keeper.note(4, float("nan"))
    keeper.note(6, 3.5)
    assert keeper.read() == (2, 3.0)
    keeper.note(8, 2.0)
    assert json.loads((tmp_path / "best.json").read_text())["folder"] == "best-8"
    assert [path.name for path in tmp_path.glob("best-*")] == ["best-8"]
    (tmp_path / "best-8" / "weights").unlink()
    (tmp_path / "best-8").rmdir()
    assert keeper.read() is None
