"""A folder with all that a training on another machine needs, and that machine on this computer."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hub_stub
import tiny
import training
from gaslamp.config.schema import Config
from gaslamp.config.slices import Slice, get_slice, parse_slice, write_config
from gaslamp.core.contracts import ModelFacts
from gaslamp.core.files import JsonObject
from gaslamp.remote.driver import Lease
from gaslamp.remote.place import LEASE, get_folder_name
from gaslamp.remote.task import Task, read_task
from remote_stands.ssh import Sshd

PATIENCE = 300
TRAIN: dict[str, Any] = {
    "max_steps": 120,
    "save_steps": 10,
    "batch_size": 4,
    "learning_rate": 0.02,
    "max_length": 128,
    "gradient_accumulation": 1,
}
KEYS = ("backend", "method", "project", "remote")


class RemoteProject:
    """A project folder of the tiny model, and the SSH machine that it trains on."""

    def __init__(
        self,
        folder: Path,
        model: Path,
        server: Sshd,
        source: str = "./x",
        train: JsonObject | None = None,
        **remote: Any,
    ) -> None:
        self.folder, self.server, self.source, self.train = folder, server, source, {**TRAIN, **(train or {})}
        self.said: dict[str, str] = {}
        folder.mkdir(parents=True)
        for name in ("scripts", "rules", "workflow", "profiles"):
            (folder / name).symlink_to(tiny.ROOT / name)
        shutil.copy(tiny.ROOT / "pyproject.toml", folder)
        base = training.write_base(folder / "base", model, {"conversation": training.ROWS["conversation"]})
        for made, target in (
            ("model.json", "resources/models/tiny/model.json"),
            ("template.json", "data/template.json"),
            ("conversation.train.jsonl", "data/train.jsonl"),
            ("conversation.valid.jsonl", "data/valid.jsonl"),
        ):
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(base / made, folder / target)
        shutil.rmtree(base)
        facts = ModelFacts.read(folder / "resources/models/tiny/model.json")
        if source != "./x":  # a model of the hub: fetched over there
            facts.source, facts.revision = source, hub_stub.COMMIT
            facts.write(folder / "resources/models/tiny/model.json")
        (folder / "logs").mkdir()
        self.set(**remote)

    def set(self, **remote: Any) -> None:
        """Write the config with these values of the section ``remote``."""
        section = {"python": sys.executable, "backend": "cpu", "poll_seconds": 3, **self.server.remote, **remote}
        self.config = Config.model_validate(
            {
                "backend": "ssh",
                "project": {"name": "t"},
                "model": {"source": self.source},
                "train": self.train,
                "remote": section,
            }
        )
        self.file = write_config(self.config, self.folder / ".gaslamp").relative_to(self.folder)

    def adopt(self, other: RemoteProject) -> None:
        """Take over what another project learned of its machine, which is this computer too: that it can train."""
        lease = Lease.read(other.folder / LEASE)
        folder = self.server.home / "gaslamp" / get_folder_name(self.folder)
        folder.mkdir(parents=True)
        lease.folder, lease.name = str(folder), f"127.0.0.1:{self.server.port}"
        (self.folder / LEASE).parent.mkdir(parents=True, exist_ok=True)
        lease.write(self.folder / LEASE)

    @property
    def settings(self) -> Slice:
        """What the steps get."""
        return parse_slice(get_slice(self.config, *KEYS))

    @property
    def task(self) -> Task:
        """The training."""
        command = "scripts/train_model.py --model resources/models/tiny/model.json --train data/train.jsonl "
        command += f"--valid data/valid.jsonl --template data/template.json --config {self.file} --checkpoints "
        command += "checkpoints/main --metrics logs/main/train.metrics.jsonl --adapters outputs/main/adapters "
        command += "--facts outputs/main/train.json --log logs/main/train_model.log"
        return read_task(command.split())

    @property
    def there(self) -> Path:
        """The project's folder on the other machine."""
        return next((self.server.home / "gaslamp").glob(f"{self.folder.name}-*"))

    def start(self, part: str, *command: str, **variables: str) -> subprocess.Popen[str]:
        """The command of a rule, as a process: a part of the training, or ``run`` and the command of another step."""
        log = [] if command else ["--log", f"logs/{part}.log"]  # another step has its own
        return subprocess.Popen(
            [sys.executable, "scripts/run_remote.py", "--step", part, "--config", str(self.file)]
            + [*log, "--", *(command or self.task.command)],
            cwd=self.folder,
            env=tiny.get_environ(self.folder.parent / "home", **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, part: str, *, timeout: float = 600, **variables: str) -> str:
        """The same to its end within so many seconds; what it said."""
        process = self.start(part, **variables)
        said, _ = process.communicate(timeout=timeout)
        assert process.returncode == 0, said
        return said

    def read_metrics(self) -> list[dict[str, Any]]:
        """The events that came home, whole lines only."""
        file = self.folder / "logs/main/train.metrics.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.is_file() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def get_step(self) -> int:
        """The last step whose loss came home."""
        return max([event["step"] for event in self.read_metrics() if event["event"] == "step"], default=0)

    def wait(self, condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
        """Wait for a condition while a process runs."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if process.poll() is not None:
                raise AssertionError(f"it ended before: {process.communicate()[0]}")
            assert time.monotonic() < end, "not within the patience"
            time.sleep(0.05)

    def signal_training(self, number: signal.Signals) -> None:
        """A signal for the trainer over there."""
        job = json.loads((self.there / ".gaslamp/there/main.train_model/job.json").read_text(encoding="utf-8"))
        os.kill(job["child"]["pid"], number)

    def hold_training(self, step: int, process: subprocess.Popen[str]) -> None:
        """Wait until the training over there has logged a step and has a checkpoint, and stop it there: it holds."""
        log = "logs/main/train.metrics.jsonl"

        def is_there() -> bool:
            file = next((self.server.home / "gaslamp").glob(f"{self.folder.name}-*/{log}"), None)
            steps = [json.loads(line) for line in file.read_text().split("\n")[:-1]] if file else []
            return any(event["event"] == "save" for event in steps) and steps[-1].get("step", 0) >= step

        self.wait(is_there, process)
        self.signal_training(signal.SIGSTOP)
