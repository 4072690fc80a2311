"""What the screens of a project say, as plain values for JSON: runs, phases, machine, and the curves of one training."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from gaslamp.report.dashboard.panels import TASKS, get_family, get_panels
from gaslamp.report.dashboard.trainings import POINTS, Metrics, Series, Training, _is_alive
from gaslamp.report.roadbook.progress import Attempt, read_attempts

# The whole graph in its order: (step as in logs/phases.jsonl, its title). A step with a suffix (a level, a format) belongs
# to the longest name here that it begins with.
PHASES = [
    ("write_brief", "Brief"),
    ("detect_system", "Machine"),
    ("detect_env", "Packages"),
    ("check_preflight", "Preflight"),
    ("fetch_model", "Base model"),
    ("build_llamacpp", "llama.cpp"),
    ("prepare_data", "Data"),
    ("build_data_page", "Data page"),
    ("train_model", "Training"),
    ("evaluate_model_base", "Evaluate base"),
    ("evaluate_model_tuned", "Evaluate tuned"),
    ("compare_models", "Compare"),
    ("build_demo", "Demo page"),
    ("merge_adapters", "Merge"),
    ("convert_gguf", "GGUF f16"),
    ("quantize_gguf", "Quantize"),
    ("evaluate_gguf", "Evaluate levels"),
    ("measure_gguf", "Measure levels"),
    ("build_ladder", "Ladder"),
    ("check_parity", "Parity gate"),
    ("write_modelfile", "Modelfile"),
    ("reflect", "Reflection"),
    ("build_report", "Report"),
    ("write_roadbook", "Roadbook"),
]
# Steps that begin like one of the graph and are another.
_OTHERS = ("build_demo_files", "evaluate_gguf_target", "compare_models_target", "build_llamacpp_rest")
_ORDER = {"failed": 0, "killed": 1, "interrupted": 2, "running": 3, "ok": 4}
MAX_TEXT = 4000  # characters of a sample or a reason on a screen
MAX_TRAININGS = 200


class Project:
    """A project folder, asked again and again; only what changed is read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.metrics = Metrics(root)
        self._files: dict[Path, tuple[float, Any]] = {}
        self._phases: tuple[float, int, list[Attempt]] = (0.0, -1, [])

    def read_facts(self, place: str) -> dict[str, Any]:
        """A JSON (or YAML) file of the project, read again only when it changed; empty when it is not there or unreadable."""
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
        facts: dict[str, Any] = known[1]
        return facts

    def get_name(self) -> str:
        """The name in config.yaml, else that of the folder."""
        project = self.read_facts("config.yaml").get("project")
        name = project.get("name") if isinstance(project, dict) else None
        return str(name or self.root.resolve().name)

    # ------------------------------------------------------------------------------------------------------- phases

    def get_attempts(self) -> list[Attempt]:
        """All starts of all steps; the file is parsed again only when it grew, running ones are looked at every time."""
        path = self.root / "logs" / "phases.jsonl"
        try:
            stat = path.stat()
        except OSError:
            return []
        changed, size, attempts = self._phases
        if (changed, size) != (stat.st_mtime, stat.st_size) or any(attempt.status == "running" for attempt in attempts):
            try:
                attempts = read_attempts(path)
            except (ValueError, KeyError):
                attempts = []
            self._phases = (stat.st_mtime, stat.st_size, attempts)
        return attempts

    def get_phases(self) -> list[dict[str, Any]]:
        """Every phase of the graph with its state (done, running, waiting, failed, interrupted) and times."""
        newest: dict[str, dict[str, Attempt]] = {}
        for attempt in self.get_attempts():
            newest.setdefault(get_phase(attempt.step), {})[attempt.step] = attempt
        known = [step for step, _ in PHASES]
        titles = dict(PHASES)
        rows = []
        for step in [*known, *(step for step in newest if step not in titles and not step.startswith("run_bench"))]:
            parts = list(newest.get(step, {}).values())
            row: dict[str, Any] = {
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
                row |= {
                    "state": state,
                    "seconds": round(seconds, 1),
                    "started": started,
                    "parts": len(parts),
                    "reason": " ".join(
                        (worst.error or ("its process is gone" if worst.status == "killed" else "")).split()
                    )[:MAX_TEXT],
                }
            rows.append(row)
        return rows

    def is_running(self) -> bool:
        """Whether Snakemake works in this project, or a step does."""
        owner = self.read_facts(".snakemake/gaslamp_owner.json")
        if owner and _is_alive(owner.get("pid"), float(owner.get("started") or 0.0)):
            return True
        return any(attempt.status == "running" for attempt in self.get_attempts())

    # ------------------------------------------------------------------------------------------------------- machine

    def get_hardware(self) -> list[list[str]]:
        """Name and value of what the detection found; empty before it ran."""
        system, env = self.read_facts("outputs/env/system.json"), self.read_facts("outputs/env/env.json")
        rows = [["System", " ".join(str(system[key]) for key in ("os", "arch") if system.get(key))]]
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
    """The phase that a step belongs to: ``quantize_gguf_q8_0`` -> ``quantize_gguf``; itself when none has its name."""
    names = [*_OTHERS, *(name for name, _ in PHASES)]
    return max((name for name in names if step == name or step.startswith(f"{name}_")), key=len, default=step)


def _count(system: dict[str, Any]) -> str:
    cores = system.get("cores") or system.get("cpu_count") or system.get("cpus")
    return f"{cores} cores" if cores else ""


def get_machine(training: Training | None) -> dict[str, Any]:
    """Load of this machine now, and of the process that trains when it runs here."""
    import psutil

    memory = psutil.virtual_memory()
    found: dict[str, Any] = {
        "cpu_percent": psutil.cpu_percent(),
        "cores": psutil.cpu_count(),
        "memory_total_gb": round(memory.total / 1e9, 2),
        "memory_used_gb": round((memory.total - memory.available) / 1e9, 2),
        "process_gb": None,
    }
    if training and training.get_status()[0] == "training":
        with contextlib.suppress(psutil.Error):
            found["process_gb"] = round(psutil.Process(training.start["pid"]).memory_info().rss / 1e9, 2)
    return found


# -------------------------------------------------------------------------------------------------------- one training


def get_brief(training: Training) -> dict[str, Any]:
    """A line of the list of runs."""
    status, reason = training.get_status()
    loss = training.series.get("loss")
    return {
        "id": training.id,
        "run": training.run,
        "key": training.key,
        "method": training.method,
        "status": status,
        "reason": reason[:MAX_TEXT],
        "step": training.step,
        "max_steps": training.max_steps,
        "loss": _round(loss.last() if loss else None),
        "started": training.starts[0].get("time") if training.starts else training.first_time,
        "updated": training.last_time,
    }


def get_head(training: Training) -> dict[str, Any]:
    """All about a training but its curves: progress, pace, memory, hints, last rows, samples."""
    status, reason = training.get_status()
    start, live = training.start, status == "training"
    last = training.rows[-1] if training.rows else {}
    family = get_family(training.method)
    speed = training.series.get("tokens_per_second")
    memory = training.series.get("memory_gb")
    panels = get_panels(training)
    return {
        **get_brief(training),
        "live": live,
        "family": family,
        "task": TASKS[family],
        "backend": start.get("backend"),
        "epoch": last.get("epoch"),
        "epochs": _get_epochs(training, last),
        "rows": start.get("rows"),
        "parameters": start.get("parameters"),
        "attempts": len(training.starts),
        "resumed_from": [one["resumed_from"] for one in training.starts if one.get("resumed_from")],
        "elapsed": round(training.get_elapsed(live), 1),
        "remaining": _round(training.get_remaining()) if live else None,
        "seconds_per_step": _round(training.get_seconds_per_step()),
        "tokens": training.tokens,
        "tokens_per_second": _round(speed.mean[-1] if speed and speed.mean else None),
        "memory": {"peak": _round(memory.last() if memory else None), **_get_memory(start)},
        "checkpoints": training.saves[-5:],
        "settings": flatten(_get_settings(start)),
        "panels": [asdict(panel) for panel in panels],
        "last": [
            {name: _round(value) for name, value in row.items() if isinstance(value, int | float) or value is None}
            for row in training.rows
        ],
        "samples": [_get_sample(sample) for sample in training.samples],
        "first": {
            name: _round(next((value for value in one.values if value == value), None))
            for name, one in training.series.items()
            if name in ("loss", "valid_loss", "reward")
        },
        "now": {name: _round(one.last()) for name, one in training.series.items()},
        "broken": {name: one.broken for name, one in training.series.items() if one.broken},
    }


def _get_epochs(training: Training, last: dict[str, Any]) -> float | None:
    """Epochs in all, from the pace so far: max_steps may end a training earlier or later than the epochs it was planned with."""
    epoch, step = last.get("epoch"), last.get("step")
    if isinstance(epoch, int | float) and epoch > 0 and isinstance(step, int) and step > 0 and training.max_steps:
        return round(epoch * training.max_steps / step, 2)
    planned = training.start.get("epochs")
    return float(planned) if isinstance(planned, int | float) else None


def _get_memory(start: dict[str, Any]) -> dict[str, float]:
    memory = start.get("memory")
    return (
        {key: value for key, value in memory.items() if isinstance(value, int | float)}
        if isinstance(memory, dict)
        else {}
    )


def _get_sample(sample: dict[str, Any]) -> dict[str, Any]:
    """Texts cut at a length that a screen can hold; scores as name and number."""
    scores = sample.get("scores")
    plain = (
        {str(name)[:80]: _round(value) for name, value in scores.items() if isinstance(value, int | float)}
        if isinstance(scores, dict)
        else {}
    )
    texts = {
        key: get_text(sample.get(key))
        for key in ("prompt", "completion", "reference", "image")
        if sample.get(key) is not None
    }
    return {"step": sample.get("step"), "scores": plain, **texts}


def get_text(value: Any) -> str:
    """A prompt or answer as text: messages become one turn a line."""
    if isinstance(value, list):
        turns = [
            f"{turn.get('role', '')}: {get_text(turn.get('content'))}"
            if isinstance(turn, dict) and "role" in turn
            else get_text(turn)
            for turn in value
        ]
        return "\n".join(turns)[:MAX_TEXT]
    if isinstance(value, dict):
        return str(value.get("text") or f"[{value.get('type', 'part')}]")[:MAX_TEXT]
    return str(value)[:MAX_TEXT]


def _get_settings(start: dict[str, Any]) -> dict[str, Any]:
    """The settings of a training, less those that its backend has no use for."""
    settings = start.get("settings")
    useless = {"cuda": (), "mac": ("engine", "choose")}.get(
        str(start.get("backend")), ("engine", "quantization", "choose")
    )
    return (
        {name: value for name, value in settings.items() if name not in useless} if isinstance(settings, dict) else {}
    )


def flatten(settings: dict[str, Any], prefix: str = "") -> list[list[str]]:
    """``{"lora": {"r": 16}}`` as ``[["lora.r", "16"]]``, named things (rewards) by their names; nothing that is null."""
    rows: list[list[str]] = []
    for name, value in settings.items():
        if isinstance(value, list) and value and all(isinstance(one, dict) and "name" in one for one in value):
            value = {str(one["name"]): {key: part for key, part in one.items() if key != "name"} for one in value}
        if isinstance(value, dict):
            rows += flatten(value, f"{prefix}{name}.")
        elif value is not None:
            rows.append([f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)])
    return rows


def _round(value: Any) -> Any:
    return (
        float(f"{value:.6g}")
        if isinstance(value, float) and value == value and abs(value) != float("inf")
        else value
        if value == value
        else None
    )


def get_snapshot(training: Training, limit: int = POINTS) -> dict[str, Any]:
    """Head and all curves, at most ``limit`` points each."""
    return {
        "head": get_head(training),
        "series": {name: one.get_points(limit) for name, one in training.series.items()},
    }


def get_marks(training: Training) -> dict[str, int]:
    """How many points each series has: what an update starts from."""
    return {name: len(one.steps) for name, one in training.series.items()}


def get_update(training: Training, marks: dict[str, int], sampled: bool) -> dict[str, Any]:
    """Head and the points that came after ``marks``; settings, and samples unless there are new ones, are left out."""
    skipped = ("settings",) if sampled else ("settings", "samples")
    head = {name: value for name, value in get_head(training).items() if name not in skipped}
    return {
        "head": head,
        "series": {
            name: points for name, one in training.series.items() if (points := _get_new(one, marks.get(name, 0)))
        },
    }


def _get_new(series: Series, start: int) -> dict[str, Any] | None:
    if start >= len(series.steps):
        return None
    steps = list(series.steps[start:])
    parts = (("raw", series.values), ("ema", series.ema), ("mean", series.mean))
    return {
        name: [steps, [float(f"{value:.6g}") if value == value else None for value in column[start:]]]
        for name, column in parts
    }


def get_overview(project: Project) -> dict[str, Any]:
    """Runs, phases and machine: what does not belong to one training."""
    trainings = project.metrics.sort()
    newest = next((one for one in trainings if one.get_status()[0] == "training"), trainings[0] if trainings else None)
    return {
        "name": project.get_name(),
        "newest": newest.id if newest else None,
        "running": project.is_running(),
        "runs": [get_brief(one) for one in trainings[:MAX_TRAININGS]],
        "phases": project.get_phases(),
        "machine": get_machine(newest),
        "hardware": project.get_hardware(),
    }
