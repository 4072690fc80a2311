"""A project folder as the screens read it: config, phases, hardware, metrics; read again only when they changed."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from gaslamp.core.attempts import Attempt, read_attempts
from gaslamp.core.background import find
from gaslamp.core.console import get_duration
from gaslamp.core.files import JsonObject
from gaslamp.core.liveness import LEASE
from gaslamp.report.dashboard.trainings import Metrics

# The whole graph in its order: (step as in logs/phases.jsonl, title). A step with a suffix (a level, a format) belongs
# to the longest name here that it begins with.
PHASES = [
    ("write_brief", "Brief"),
    ("detect_system", "Machine"),
    ("detect_env", "Packages"),
    ("check_preflight", "Preflight"),
    ("fetch_model", "Base model"),
    ("check_export", "Export check"),
    ("build_llamacpp", "llama.cpp"),
    ("prepare_data", "Data"),
    ("build_data_page", "Data page"),
    ("train_model", "Training"),
    ("evaluate_model_base", "Evaluate base"),
    ("evaluate_model_tuned", "Evaluate tuned"),
    ("evaluate_rival", "Evaluate prompts"),
    ("compare_models", "Compare"),
    ("build_demo", "Demo page"),
    ("build_demo_files", "Demo of the files"),
    ("merge_adapters", "Merge"),
    ("convert_gguf", "GGUF f16"),
    ("quantize_gguf", "Quantize"),
    ("evaluate_gguf", "Evaluate levels"),
    ("measure_gguf", "Measure levels"),
    ("build_ladder", "Ladder"),
    ("check_parity", "Parity checks"),
    ("require_parity", "Parity gate"),
    ("write_modelfile", "Modelfile"),
    ("reflect", "Reflection"),
    ("build_report", "Report"),
    ("write_roadbook", "Roadbook"),
]
# Steps that begin like one of the graph and are another.
_OTHERS = ("evaluate_gguf_target", "compare_models_target", "build_llamacpp_rest")
_ORDER = {"failed": 0, "killed": 1, "interrupted": 2, "running": 3, "ok": 4}
MAX_TEXT = 4000  # characters of a sample or a reason on a screen


class Phase(TypedDict):
    """One phase of the graph: its state (done, running, waiting, failed, interrupted), seconds and start."""

    step: str
    title: str
    state: str
    seconds: float | None
    started: str | None
    reason: str
    parts: NotRequired[int]


class Project:
    """A project folder that is looked at again and again; only what changed is read."""

    def __init__(self, root: Path) -> None:
        """Start with the project in ``root``; nothing is read yet."""
        self.root = root
        self.metrics = Metrics(root)
        self._files: dict[Path, tuple[float, Any]] = {}
        self.damaged: list[str] = []  # what of logs/phases.jsonl cannot be read
        self._phases: tuple[float, int, list[Attempt]] = (0.0, -1, [])

    def read_facts(self, place: str) -> JsonObject:
        """A JSON or YAML file of the project, read again only when it changed; empty when missing or unreadable."""
        path = self.root / place
        try:
            changed = path.stat().st_mtime
        except OSError:
            return {}
        known = self._files.get(path)
        if known is None or known[0] != changed:
            try:
                text = path.read_text(encoding="utf-8")
                if path.suffix == ".yaml":
                    import yaml

                    value = yaml.safe_load(text)
                else:
                    value = json.loads(text)
            except (OSError, ValueError, UnicodeDecodeError):
                value = None
            except Exception as error:  # yaml.YAMLError is no ValueError, and yaml is imported late
                if type(error).__module__.split(".")[0] != "yaml":
                    raise
                value = None
            known = (changed, value if isinstance(value, dict) else {})
            self._files[path] = known
        facts: JsonObject = known[1]
        return facts

    def get_name(self) -> str:
        """The name in config.yaml, else that of the folder."""
        project = self.read_facts("config.yaml").get("project")
        name = project.get("name") if isinstance(project, dict) else None
        return str(name or self.root.resolve().name)

    # ------------------------------------------------------------------------------------------------------- phases

    def get_attempts(self) -> list[Attempt]:
        """All starts of all steps; the file is parsed again when it grew, or while a step runs."""
        path = self.root / "logs" / "phases.jsonl"
        try:
            stat = path.stat()
        except OSError:
            return []
        changed, size, attempts = self._phases
        if (changed, size) != (stat.st_mtime, stat.st_size) or any(attempt.status == "running" for attempt in attempts):
            self.damaged = []
            attempts = read_attempts(path, self.damaged)
            self._phases = (stat.st_mtime, stat.st_size, attempts)
        return attempts

    def get_phases(self) -> list[Phase]:
        """Every phase of the graph with its state (done, running, waiting, failed, interrupted) and times."""
        newest: dict[str, dict[str, Attempt]] = {}
        for attempt in self.get_attempts():
            newest.setdefault(get_phase(attempt.step), {})[attempt.step] = attempt
        known = [step for step, _ in PHASES]
        titles = dict(PHASES)
        rows = []
        for step in [*known, *(step for step in newest if step not in titles and not step.startswith("run_bench"))]:
            parts = list(newest.get(step, {}).values())
            row: Phase = {
                "step": step,
                "title": titles.get(step, step),
                "state": "waiting",
                "seconds": None,
                "started": None,
                "reason": "",
            }
            if parts:
                worst = min(parts, key=lambda attempt: _ORDER.get(attempt.status, 9))
                started = min(attempt.started for attempt in parts)
                seconds = sum(attempt.seconds or 0.0 for attempt in parts)
                if worst.status == "running":
                    seconds += max(0.0, time.time() - datetime.fromisoformat(worst.started).timestamp())
                state = {"ok": "done", "killed": "interrupted"}.get(worst.status, worst.status)
                reason = worst.error or ("its process is gone" if worst.status == "killed" else "")
                row["state"], row["seconds"], row["started"] = state, round(seconds, 1), started
                row["parts"], row["reason"] = len(parts), " ".join(reason.split())[:MAX_TEXT]
            rows.append(row)
        return rows

    def is_running(self) -> bool:
        """Whether Snakemake works in this project, or a step does."""
        return find(self.root) is not None or any(attempt.status == "running" for attempt in self.get_attempts())

    # ------------------------------------------------------------------------------------------------------- machine

    def get_elsewhere(self) -> str:
        """The other machine that this project trains on now, and for how long it is used; empty: none."""
        lease = self.read_facts(LEASE.as_posix())
        try:
            since = datetime.fromisoformat(str(lease["started"])).timestamp()
            return f"{lease['machine']}, used for {get_duration(max(0.0, time.time() - since))}"
        except (KeyError, ValueError):
            return ""

    def get_hardware(self) -> list[list[str]]:
        """Name and value of what the detection found, a machine elsewhere first; empty before it ran."""
        system, env = self.read_facts("outputs/env/system.json"), self.read_facts("outputs/env/env.json")
        rows = [["Trains on", self.get_elsewhere()]]
        rows += [["System", " ".join(str(system[key]) for key in ("os", "arch") if system.get(key))]]
        rows += [["Processor", f"{system.get('apple_chip') or system.get('cpu') or ''} {_count(system)}".strip()]]
        for gpu in system.get("gpus") or []:
            rows.append(["GPU", f"{gpu.get('name', '')} {gpu.get('vram_gb', '')} GB"])
        versions = env.get("versions") or {}
        rows += [
            [name, str(versions[name])]
            for name in ("python", "torch", "transformers", "trl", "peft", "unsloth", "mlx")
            if versions.get(name)
        ]
        return [row for row in rows if row[1]]


def get_phase(step: str) -> str:
    """The phase that a step belongs to: ``quantize_gguf_q8_0`` -> ``quantize_gguf``; itself when none has its name.

    The parts of a training on another machine (``run_remote_poll``) belong to the training.
    """
    if step.startswith("run_remote_"):
        return "train_model"
    names = [*_OTHERS, *(name for name, _ in PHASES)]
    return max((name for name in names if step == name or step.startswith(f"{name}_")), key=len, default=step)


def _count(system: JsonObject) -> str:
    cores = system.get("cores") or system.get("cpu_count") or system.get("cpus")
    return f"{cores} cores" if cores else ""
