"""kill -9 at any moment: the same single command goes on and ends where an undisturbed run ends.

A training that is to be stopped waits at a step that the test names (HELD): however slow this machine is, no stop comes
too late.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import tiny
from gaslamp.core.events import get_history, read_events
from gaslamp.core.interrupts import STOPPING
from gaslamp.core.workflow_state import OWNER, is_alive
from gaslamp.train.checkpoints import find_checkpoint

STEPS = 40
TARGET = "outputs/main/train.json"
METRICS = Path("logs/main/train.metrics.jsonl")
HOLD, SAID = "hold", "said.txt"
HELD = f'''"""The library's method; a training waits at the step that the file `{HOLD}` names while it is there."""

import contextlib
import time
from pathlib import Path

from gaslamp.train.methods import NAME as library

globals().update({{key: value for key, value in vars(library).items() if not key.startswith("__")}})


def is_held(step):
    with contextlib.suppress(FileNotFoundError):
        return step >= int(Path("{HOLD}").read_text())
    return False


def get_trainer(context):
    from transformers import TrainerCallback

    class Hold(TrainerCallback):
        def on_step_begin(self, args, state, control, **more):
            while is_held(state.global_step):
                time.sleep(0.01)

    context.callbacks.append(Hold())
    return library.get_trainer(context)
'''
"""A method of the project's own. The file is there before Snakemake starts, and goes once a stop was requested."""


@pytest.fixture(scope="module")
def prepared(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with everything before training done, and a training of many short steps ahead."""
    project = tiny.copy_project(finished, tmp_path_factory.mktemp("prepared"))
    for name in ("outputs/main/adapters", "outputs/main/train.json", "checkpoints/main", "logs/main"):
        path = project / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    tiny.set_config(
        project,
        **{"train.max_steps": STEPS, "train.save_steps": 1, "train.learning_rate": 0.002, "train.lora.dropout": 0.1},
    )
    (project / "methods").mkdir(exist_ok=True)
    for method in ("sft", "grpo"):
        (project / "methods" / f"{method}.py").write_text(HELD.replace("NAME", method), encoding="utf-8")
    done = tiny.snakemake(project, "data/train.jsonl")
    assert done.returncode == 0, tiny.get_rules_error(done)
    return project


@pytest.fixture(scope="module")
def undisturbed(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """The losses of a run that nothing stopped."""
    project = tiny.copy_project(prepared, tmp_path_factory.mktemp("undisturbed"))
    done = tiny.snakemake(project, TARGET)
    assert done.returncode == 0, tiny.get_rules_error(done)
    losses = get_losses(project)
    assert len(losses) == STEPS
    return losses


def get_losses(project: Path) -> list[float]:
    return [step["loss"] for step in get_history(read_events(project / METRICS))]


def get_step(project: Path) -> int:
    history = get_history(read_events(project / METRICS))
    return history[-1]["step"] if history else 0


def start(project: Path, hold: int | None = None, warm: bool = False) -> subprocess.Popen[str]:
    """Snakemake, as a terminal would start it; the training waits once it has done ``hold`` steps, until ``let_go``."""
    if hold is not None:
        (project / HOLD).write_text(str(hold), encoding="utf-8")
    with (project / SAID).open("w", encoding="utf-8") as said:
        return tiny.open_snakemake(project, TARGET, warm=warm, stdout=said, stderr=subprocess.STDOUT)


def read_said(project: Path) -> str:
    return (project / SAID).read_text(encoding="utf-8")


def let_go(project: Path) -> None:
    (project / HOLD).unlink()


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str] | None, seconds: float = 480) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never happened"
        assert process is None or process.poll() is None, "it ended before"
        time.sleep(0.005)


def find_training(project: Path) -> psutil.Process:
    """The running training of the project, by the process id in its own events."""
    starts = [event for event in read_events(project / METRICS) if event["event"] == "start"]
    return psutil.Process(starts[-1]["pid"])


def kill_all(project: Path, process: subprocess.Popen[str]) -> None:
    """kill -9 for Snakemake and everything it started, all at once; a warm training is no child of it."""
    family = {
        psutil.Process(process.pid),
        *psutil.Process(process.pid).children(recursive=True),
        find_training(project),
    }
    for member in family:
        member.kill()
    process.wait(90)
    _, alive = psutil.wait_procs(family, 90)
    assert not alive


def go_on(project: Path) -> subprocess.CompletedProcess[str]:
    (project / HOLD).unlink(missing_ok=True)
    done = tiny.snakemake(project, TARGET)
    assert done.returncode == 0, tiny.get_rules_error(done)
    return done


def assert_as_undisturbed(project: Path, undisturbed: list[float], attempts: int) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((project / TARGET).read_text())
    assert facts["steps"] == STEPS and facts["attempts"] == attempts
    assert get_losses(project) == pytest.approx(undisturbed, rel=1e-3)
    assert facts["loss_last"] == pytest.approx(sum(undisturbed[-STEPS // 10 :]) / (STEPS // 10), rel=1e-3)
    assert (project / "outputs/main/adapters/adapter_model.safetensors").is_file() and not list(
        (project / "outputs/main").glob(".*")
    )
    return facts


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_of_everything_at_any_step(prepared: Path, undisturbed: list[float], tmp_path: Path, seed: int) -> None:
    project = tiny.copy_project(prepared, tmp_path)
    step = random.Random(seed).randint(2, STEPS - 10)
    process = start(project, hold=step + 3, warm=seed > 1)
    wait_for(lambda: get_step(project) >= step, process)
    time.sleep(random.Random(seed).random() * 0.05)  # somewhere inside a step, or inside the writing of a checkpoint
    kill_all(project, process)
    assert list((project / ".snakemake" / "locks").glob("*.lock")), "the lock of the killed run is still there"
    assert not (project / TARGET).exists()
    reached = get_step(project)
    go_on(project)
    facts = assert_as_undisturbed(project, undisturbed, attempts=2)
    assert len(facts["resumed_from"]) == 1 and reached - 2 <= facts["resumed_from"][0] <= reached + 1, (
        "the newest whole checkpoint"
    )


def test_kill_of_a_training_that_learns_from_rewards(prepared: Path, tmp_path: Path) -> None:
    """GRPO, killed at two random moments: every step once, with the prompts and completions of an undisturbed run."""
    settings = {
        "method": "grpo",
        "train.max_steps": 16,
        "train.batch_size": 8,
        "train.learning_rate": 0.02,
        "eval.gate": "warn",
        "train.rewards": [{"name": "length", "options": {"max": 1, "unit": "characters", "slack": 8}}],
        "train.options": {"num_generations": 4, "max_completion_length": 8},
    }
    whole, killed = (tiny.copy_project(prepared, tmp_path / name) for name in ("whole", "killed"))
    for project in (whole, killed):
        tiny.set_config(project, **settings)
    go_on(whole)
    for step in sorted(random.Random(4).sample(range(2, 14), 2)):
        process = start(killed, hold=step + 1, warm=True)
        wait_for(lambda wanted=step: get_step(killed) >= wanted, process)
        kill_all(killed, process)
    go_on(killed)
    facts = json.loads((killed / TARGET).read_text())
    assert facts["steps"] == 16 and facts["attempts"] == 3 and len(facts["resumed_from"]) == 2
    rewards = [[step["reward"] for step in get_history(read_events(project / METRICS))] for project in (whole, killed)]
    assert len(rewards[0]) == 16 and sum(rewards[0][-3:]) / 3 > sum(rewards[0][:3]) / 3 + 0.2, rewards
    assert rewards[1] == pytest.approx(rewards[0], abs=0.02), facts["resumed_from"]


def test_kill_before_the_first_checkpoint_and_then_again(
    prepared: Path, undisturbed: list[float], tmp_path: Path
) -> None:
    project = tiny.copy_project(prepared, tmp_path)
    process = start(project, hold=0, warm=True)
    wait_for(lambda: any(event["event"] == "start" for event in read_events(project / METRICS)), process)
    kill_all(project, process)
    process = start(project, hold=6, warm=True)
    wait_for(lambda: get_step(project) >= 5, process)
    kill_all(project, process)
    go_on(project)
    assert_as_undisturbed(project, undisturbed, attempts=3)


def test_incomplete_checkpoints_are_passed_over(prepared: Path, undisturbed: list[float], tmp_path: Path) -> None:
    project = tiny.copy_project(prepared, tmp_path)
    process = start(project, hold=13, warm=True)
    wait_for(lambda: get_step(project) >= 12, process)
    kill_all(project, process)
    folder = next(path for path in (project / "checkpoints" / "main").iterdir() if path.is_dir())
    newest = find_checkpoint(folder)
    assert newest is not None
    number = int(newest.name.split("-")[1])
    for later, name in ((number + 1, "trainer_state.json"), (number + 2, "adapter_model.safetensors")):
        broken = folder / f"checkpoint-{later}"
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(newest, broken)
        if later == number + 1:
            (broken / name).unlink()
        else:
            (broken / name).write_bytes((newest / name).read_bytes()[:1000])
    done = go_on(project)
    assert_as_undisturbed(project, undisturbed, attempts=2)
    assert len(re.findall(r"checkpoint-\d+ is incomplete", tiny.get_rules_error(done))) == 2
    assert f"resuming from checkpoint {number} of {STEPS}" in tiny.get_rules_error(done)


def test_the_training_alone_is_killed(prepared: Path, undisturbed: list[float], tmp_path: Path) -> None:
    """Snakemake reports it, deletes what is unfinished, and leaves no lock."""
    project = tiny.copy_project(prepared, tmp_path)
    process = start(project, hold=8)
    wait_for(lambda: get_step(project) >= 8, process)
    find_training(project).kill()
    assert process.wait(240) != 0
    output = read_said(project)
    assert "run the same command again" in " ".join(output.split()), output
    assert not list((project / ".snakemake" / "locks").glob("*.lock"))
    go_on(project)
    assert_as_undisturbed(project, undisturbed, attempts=2)


def test_snakemake_alone_is_killed(prepared: Path, undisturbed: list[float], tmp_path: Path) -> None:
    """The orphan notices, saves and stops; a command given at once waits for it."""
    project = tiny.copy_project(prepared, tmp_path)
    tiny.set_config(project, **{"train.save_steps": None})
    process = start(project, hold=5)
    wait_for(lambda: get_step(project) >= 5, process)
    training = find_training(project)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(90)
    done = go_on(project)
    assert not training.is_running() or training.status() == psutil.STATUS_ZOMBIE
    ends = [event for event in read_events(project / METRICS) if event["event"] == "end"]
    assert ends[0]["status"] == "interrupted" and "Snakemake that started it is gone" in ends[0]["reason"]
    assert ends[-1]["status"] == "completed" and f"resuming from checkpoint {ends[0]['step']}" in tiny.get_rules_error(
        done
    )
    assert_as_undisturbed(project, undisturbed, attempts=2)


@pytest.mark.parametrize(
    ("number", "send"),
    [
        pytest.param(signal.SIGINT, os.killpg, id="Ctrl-C: SIGINT for the whole foreground group"),
        pytest.param(signal.SIGTERM, os.kill, id="docker stop, a scheduler: SIGTERM for Snakemake alone"),
    ],
)
def test_a_stop_saves_and_says_how_to_go_on(
    prepared: Path,
    undisturbed: list[float],
    tmp_path: Path,
    number: signal.Signals,
    send: Callable[[int, signal.Signals], None],
) -> None:
    """One request reaches the training, through whatever process, and is no request to stop at once."""
    project = tiny.copy_project(prepared, tmp_path)
    tiny.set_config(project, **{"train.save_steps": None})
    process = start(project, hold=6)
    wait_for(lambda: get_step(project) >= 6, process)
    send(process.pid, number)
    wait_for(lambda: "stopping after this step" in read_said(project), None)
    let_go(project)
    assert process.wait(240) != 0
    output = read_said(project)
    end = [event for event in read_events(project / METRICS) if event["event"] == "end"][-1]
    assert end["status"] == "interrupted" and end["reason"] in ("SIGINT", "SIGTERM"), output
    assert f"checkpoint-{end['step']} is saved" in output, output
    assert "Traceback" not in output and not re.search(
        "scripts/train_model.py|CalledProcessError|Error in rule", output
    )
    assert output.count(STOPPING) == 1 and "Fix it" not in output and "\nRun the same command again" in output, output
    assert "Warning" not in output, output
    go_on(project)
    assert_as_undisturbed(project, undisturbed, attempts=2)


def test_sigint_to_the_script_ends_with_130(prepared: Path, tmp_path: Path) -> None:
    """The training's own command line, started by hand in the project."""
    project = tiny.copy_project(prepared, tmp_path)
    process = start(project, hold=3)
    wait_for(lambda: get_step(project) >= 3, process)
    command = find_training(project).cmdline()
    kill_all(project, process)
    (project / HOLD).write_text("6")
    alone = subprocess.Popen(
        command,
        cwd=project,
        env=tiny.get_environ(project.parent / "home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: len([event for event in read_events(project / METRICS) if event["event"] == "start"]) == 2, alone)
    wait_for(lambda: get_step(project) >= 6, alone)
    alone.send_signal(signal.SIGINT)
    let_go(project)
    _, error = alone.communicate(timeout=240)
    assert alone.returncode == 130 and "usual fix:       run the same command: it resumes from there" in error


def test_a_living_run_keeps_its_lock(prepared: Path, tmp_path: Path) -> None:
    """A second command during a run is refused; the first goes on."""
    project = tiny.copy_project(prepared, tmp_path)
    process = start(project, hold=1)
    wait_for(
        lambda: (project / OWNER).is_file() and json.loads((project / OWNER).read_text())["pid"] == process.pid, process
    )
    wait_for(lambda: bool(list((project / ".snakemake" / "locks").glob("*.lock"))), process)
    second = tiny.snakemake(project, TARGET)
    said = tiny.get_rules_error(second)
    assert second.returncode != 0 and f"a run of this project is alive: process {process.pid}" in said, said
    assert process.poll() is None
    let_go(project)
    assert process.wait(240) == 0


def test_a_reused_process_number_is_another_process() -> None:
    me = psutil.Process()
    assert is_alive(me.pid, me.create_time()) and not is_alive(me.pid, me.create_time() - 3600)
