"""``make bench``: this library's own scripts against plain TRL, transformers and datasets, measured in one run.

Every part runs in a process of its own. Ours are the scripts that the rules call, unchanged; the baselines are in
bare_trl.py. Nothing here decides anything: the figures are printed and written to bench.json.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from gaslamp.config.presets import choose_by_size
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice, write_config
from gaslamp.core.attempts import Attempt, read_attempts
from gaslamp.core.console import get_duration, say
from gaslamp.core.contracts import ModelFacts, Template, get_versions, now
from gaslamp.core.errors import GaslampError
from gaslamp.core.events import get_history, read_events
from gaslamp.core.files import read_json, read_jsonl, write_json, write_jsonl

from benchmarks.screens import bench_server, bench_tab

SCRIPTS = Path(__file__).resolve().parents[2]
HARNESS_BATCH = 32
PAIRS = 2  # trainings of each kind, taken in turn
VALID_ROWS = 8
DATA_ROWS = 20_000
MIN_STEPS = 6
PARTS = ("training", "evaluation", "dashboard", "data")
PAUSE = timedelta(seconds=60)  # steps further apart than this belong to two runs


class Bench:
    """A folder with one small project inside, and the processes that are measured in it."""

    def __init__(self, folder: Path, steps: int, rows: int) -> None:
        self.folder, self.rows = folder, rows
        self.config = Config.model_validate(
            {
                "train": {"max_steps": steps, "save_steps": max(2, steps // 2), "max_length": None},
                "eval": {"retention": False},
            }
        )
        self.model, self.data = folder / "model.json", folder / "data"

    def run(self, name: str, *arguments: str) -> float:
        """Run Python with ``arguments`` to its end and return its wall seconds; its output is kept in a log."""
        log = self.folder / f"{re.sub('[^a-z0-9]+', '_', name.lower())}.log"
        say(name)
        with log.open("w", encoding="utf-8") as handle:
            started = time.monotonic()
            code = subprocess.call(
                [sys.executable, *arguments],
                stdout=handle,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"},
            )
        if code:
            tail = " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-4:])
            raise GaslampError(
                f"bench part '{name}' failed (exit {code}): {tail[-600:]}",
                "fix what it names and run make bench again",
            )
        return time.monotonic() - started

    def run_bare(self, name: str, part: str, job: dict[str, Any]) -> dict[str, Any]:
        """Run a part of bare_trl.py; its result, with ``wall`` seconds of the whole process."""
        folder = self.folder / re.sub("[^a-z0-9]+", "_", name.lower())
        file, out = folder / "job.json", folder / "result.json"
        write_json(file, {**job, "out": str(out), "cache": str(folder / "cache")})
        # -P: the folder of the script is no place to import from, its modules would hide others of the same name
        wall = self.run(name, "-P", str(SCRIPTS / "dev" / "benchmarks" / "bare_trl.py"), part, str(file))
        result: dict[str, Any] = read_json(out)
        return {**result, "wall": wall}

    def prepare(self) -> None:
        """Base model and data as in a project; few validation rows and ``rows`` test rows are kept."""
        from gaslamp.models.fetch import fetch_model

        fetch_model(self.config.model, self.model)
        self.run_data("prepare", self.config, self.data)
        for split, count in (("valid", VALID_ROWS), ("test", self.rows)):
            file = self.data / f"{split}.jsonl"
            write_jsonl(file, list(read_jsonl(file))[:count])

    def run_training(self, name: str, metrics: Path) -> list[dict[str, Any]]:
        """Our training script, its files in the folder of ``metrics``; the events it wrote."""
        folder = metrics.parent
        self.run(
            name,
            str(SCRIPTS / "train_model.py"),
            f"--config={write_config(self.config, self.folder)}",
            f"--model={self.model}",
            *(f"--{split}={self.data / f'{split}.jsonl'}" for split in ("train", "valid")),
            f"--template={self.data / 'template.json'}",
            f"--checkpoints={folder / 'checkpoints'}",
            f"--metrics={metrics}",
            f"--adapters={folder / 'adapters'}",
            f"--facts={folder / 'train.json'}",
            f"--log={folder / 'train_model.log'}",
        )
        return read_events(metrics)

    def run_data(self, name: str, config: Config, folder: Path) -> float:
        """The data phase into ``folder``."""
        outputs = [f"--{key}={folder / f'{key}.jsonl'}" for key in ("train", "valid", "test")]
        outputs += [
            f"--template={folder / 'template.json'}",
            f"--card={folder / 'card.json'}",
            f"--strategy={folder / 'strategy.md'}",
        ]
        return self.run(
            name,
            str(SCRIPTS / "prepare_data.py"),
            f"--model={self.model}",
            f"--config={write_config(config, self.folder)}",
            *outputs,
            f"--log={folder}.log",
        )


def bench_training(bench: Bench) -> dict[str, Any]:
    """Our training script and bare TRL in turn, on the same tokens; times are from step to step."""
    from gaslamp.models.template import Renderer

    facts, template = ModelFacts.read(bench.model), Template.read(bench.data / "template.json")
    settings = parse_slice(get_slice(bench.config, "method", "train"))
    renderer, train = Renderer.load(facts.path, template), choose_by_size(settings, facts.parameters)[0].train
    for split in ("train", "valid"):
        rows = [renderer.encode(row["messages"]) for row in read_jsonl(bench.data / f"{split}.jsonl")]
        write_jsonl(
            bench.folder / f"{split}.tokens.jsonl", [{"input_ids": row.ids, "labels": row.labels} for row in rows]
        )
    steps = train.max_steps or 0
    arguments = {
        "output_dir": str(bench.folder / "bare"),
        "per_device_train_batch_size": train.batch_size,
        "per_device_eval_batch_size": train.batch_size * 2,
        "max_steps": steps,
        "learning_rate": train.learning_rate,
        "lr_scheduler_type": train.scheduler,
        "warmup_steps": min(train.warmup_steps, max(1, steps // 2)),
        "weight_decay": train.weight_decay,
        "max_grad_norm": train.max_grad_norm,
        "gradient_checkpointing": False,
        "optim": "adamw_torch",
        "seed": train.seed,
        "data_seed": train.seed,
        "logging_steps": 1,
        "save_strategy": "no",
        "eval_strategy": "steps",
        "eval_steps": max(1, math.ceil(steps / 2)),
        "prediction_loss_only": True,
        "max_length": None,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "use_cpu": True,
        "bf16": False,
        "fp16": False,
    }
    lora = train.lora
    job = {
        "model": facts.path,
        "train": str(bench.folder / "train.tokens.jsonl"),
        "valid": str(bench.folder / "valid.tokens.jsonl"),
        "seed": train.seed,
        "pad_token": template.pad_token,
        "arguments": arguments,
        "lora": {
            "r": lora.r,
            "lora_alpha": lora.alpha,
            "lora_dropout": lora.dropout,
            "target_modules": lora.target_modules,
        },
    }
    ours: list[list[dict[str, Any]]] = []
    bare: list[list[dict[str, Any]]] = []
    saves: list[float] = []
    disturbed: set[int] = set()
    for number in range(1, PAIRS + 1):
        events = bench.run_training(
            f"training {number} of {PAIRS}: gaslamp", bench.folder / f"ours{number}" / "metrics.jsonl"
        )
        ours.append(get_history(events))
        saves += _get_save_seconds(events)
        disturbed |= find_disturbed(events)
        bare.append(bench.run_bare(f"training {number} of {PAIRS}: bare TRL", "train", job)["steps"])
    return compare_trainings(ours, bare, disturbed, saves, train.save_minutes)


def _get_save_seconds(events: list[dict[str, Any]]) -> list[float]:
    """From the event before each checkpoint to the checkpoint: an evaluation on the same step was logged before it."""
    pairs = zip(events, events[1:], strict=False)
    return [
        after["time"] - before["time"]
        for before, after in pairs
        if after["event"] == "save" and before["event"] in ("step", "eval")
    ]


def find_disturbed(events: list[dict[str, Any]]) -> set[int]:
    """Steps before which something else than a step was logged: their period holds an evaluation or a checkpoint."""
    relevant = [event for event in events if event["event"] in ("step", "eval", "save")]
    return {
        after["step"]
        for before, after in zip(relevant, relevant[1:], strict=False)
        if after["event"] == "step" != before["event"]
    }


def get_periods(steps: list[dict[str, Any]]) -> dict[int, float]:
    """Step -> seconds since the step before it was logged: the work of the step and all that stands between the two."""
    return {after["step"]: after["time"] - before["time"] for before, after in zip(steps, steps[1:], strict=False)}


def compare_trainings(
    ours: list[list[dict[str, Any]]],
    bare: list[list[dict[str, Any]]],
    disturbed: set[int],
    saves: list[float],
    save_minutes: float,
) -> dict[str, Any]:
    """Medians, and the overhead as the median over steps of ours / bare: the same step has the same batch in both.

    The step after an evaluation or a checkpoint is left out of both; what a checkpoint costs is separate, as its
    share of the time between two of them.

    Args:
        ours, bare: one list of steps (step, time in s, loss) for each training.
        disturbed: steps to leave out.
        saves: seconds of each checkpoint.
        save_minutes: how often one is saved by default.
    """
    count = len(ours[0])
    kept = [step for step in range(2, count + 1) if step not in disturbed]
    our_periods, bare_periods = [get_periods(steps) for steps in ours], [get_periods(steps) for steps in bare]
    best_ours = {step: min(periods[step] for periods in our_periods) for step in kept}
    best_bare = {step: min(periods[step] for periods in bare_periods) for step in kept}
    our_median = median(periods[step] for periods in our_periods for step in kept)
    bare_median = median(periods[step] for periods in bare_periods for step in kept)
    save = median(saves) if saves else None
    ratio = median(best_ours[step] / best_bare[step] for step in kept)
    losses = [
        abs(a["loss"] - b["loss"])
        for mine, theirs in zip(ours, bare, strict=True)
        for a, b in zip(mine, theirs, strict=True)
    ]
    noise = (
        [abs(first[step] / again[step] - 1) for first, again in (our_periods[:2], bare_periods[:2]) for step in kept]
        if len(ours) > 1
        else []
    )
    return {
        "steps": count,
        "steps_compared": len(kept),
        "our_median_seconds": round(our_median, 4),
        "bare_median_seconds": round(bare_median, 4),
        "ratio": round(ratio, 4),
        "overhead_percent": round((ratio - 1) * 100, 2),
        "checkpoint_seconds": round(save, 3) if save is not None else None,
        "checkpoint_percent": round(save / (save_minutes * 60) * 100, 2) if save is not None else None,
        "noise_percent": round(median(noise) * 100, 2) if noise else None,
        "largest_loss_difference": max(losses),
        "our_losses": [step["loss"] for step in ours[0]],
        "bare_losses": [step["loss"] for step in bare[0]],
    }


def bench_evaluation(bench: Bench) -> dict[str, Any]:
    """Our batched evaluation script and one prompt at a time, on the adapter that the bench has just trained."""
    from gaslamp.evaluate.eval_set import get_eval_prompts
    from gaslamp.models.loading import load_tokenizer

    facts, template = ModelFacts.read(bench.model), Template.read(bench.data / "template.json")
    adapters, test, out = bench.folder / "ours1" / "adapters", bench.data / "test.jsonl", bench.folder / "tuned.jsonl"
    if not adapters.is_dir():
        bench.run_training("training for the evaluation", bench.folder / "ours1" / "metrics.jsonl")
    tokenizer = load_tokenizer(facts.path)
    limit = get_eval_prompts(
        test, lambda text: list(tokenizer(text, add_special_tokens=False)["input_ids"]), None, False
    )[0].max_tokens
    job = {
        "model": facts.path,
        "adapters": str(adapters),
        "test": str(test),
        "max_new_tokens": limit,
        "stop_ids": template.stop_ids,
    }
    bare = bench.run_bare("evaluation: one by one", "answer", job)
    # the harness is an extra: its line is left out where it is not installed
    other = (
        bench.run_bare("evaluation: lm-evaluation-harness", "harness", {**job, "batch_size": HARNESS_BATCH})
        if find_spec("lm_eval")
        else None
    )
    bench.run(
        "evaluation: gaslamp",
        str(SCRIPTS / "evaluate_model.py"),
        f"--model={bench.model}",
        f"--adapters={adapters}",
        f"--test={test}",
        f"--template={bench.data / 'template.json'}",
        f"--config={write_config(bench.config, bench.folder)}",
        f"--out={out}",
        f"--log={bench.folder / 'evaluate.log'}",
    )
    predictions = list(read_jsonl(out))
    # what the batch was found by belongs to the time; loading the model does not, on either side
    probed = re.search(r"probed in ([\d.]+) s", (bench.folder / "evaluation_gaslamp.log").read_text(encoding="utf-8"))
    our_rate = len(predictions) / (sum(row["seconds"] for row in predictions) + (float(probed[1]) if probed else 0.0))
    bare_rate = len(bare["answers"]) / bare["seconds"]
    return {
        "rows": len(predictions),
        "our_rows_per_second": round(our_rate, 3),
        "bare_rows_per_second": round(bare_rate, 3),
        "ratio": round(our_rate / bare_rate, 2),
        "equal_answers": sum(bare["answers"][row["id"]].strip() == row["text"].strip() for row in predictions),
        "mean_tokens": round(sum(row["tokens"] for row in predictions) / len(predictions), 1),
        "max_new_tokens": limit,
        "harness_rows_per_second": round(len(other["answers"]) / other["seconds"], 3) if other else None,
        "harness_ratio": round(our_rate * other["seconds"] / len(other["answers"]), 2) if other else None,
        "harness_equal_answers": sum(other["answers"][row["id"]].strip() == row["text"].strip() for row in predictions)
        if other
        else None,
    }


def bench_data(bench: Bench) -> dict[str, Any]:
    """The data phase and a plain load and map, both from start of the process to its end, on the same file."""
    from gaslamp.data.embedded.orders_json import generate

    file = bench.folder / "many.jsonl"
    count = write_jsonl(file, generate(n_train=DATA_ROWS - 260))
    config = Config.model_validate({"data": {"source": str(file)}})
    ours = bench.run_data("data phase: gaslamp", config, bench.folder / "many")
    bare = bench.run_bare(
        "data phase: datasets.map", "tokenize", {"model": ModelFacts.read(bench.model).path, "data": str(file)}
    )["wall"]
    return {
        "rows": count,
        "our_rows_per_second": round(count / ours),
        "bare_rows_per_second": round(count / bare),
        "ratio": round(bare / ours, 2),
    }


def find_project(root: Path) -> Path | None:
    """The project under ``root``/projects whose phases were logged last."""
    found = [path for path in (root / "projects").glob("*/logs/phases.jsonl") if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime).parent.parent if found else None


def _get_span(attempt: Attempt) -> tuple[datetime, datetime]:
    start = datetime.fromisoformat(attempt.started)
    return start, start + timedelta(seconds=attempt.seconds or 0)


def _get_union(spans: list[tuple[datetime, datetime]]) -> float:
    """Seconds covered by at least one of ``spans``."""
    total, reached = 0.0, None
    for start, end in sorted(spans):
        begin = start if reached is None else max(start, reached)
        if end > begin:
            total += (end - begin).total_seconds()
        reached = end if reached is None else max(reached, end)
    return total


def get_share(phases: Path) -> dict[str, Any] | None:
    """The share of the newest whole run (training to roadbook in one go) that is neither training nor evaluation.

    The clock runs from the start of its first step to the end of its last. Steps overlap: a moment counts as outside
    when no training and no evaluation was at work. ``None`` when the log has no such run.
    """
    runs: list[list[Attempt]] = []
    reached: datetime | None = None
    for attempt in read_attempts(phases):
        start, end = _get_span(attempt)
        if reached is None or start - reached > PAUSE:
            runs.append([])
        runs[-1].append(attempt)
        reached = end if reached is None else max(reached, end)
    wanted = ("train_model", "evaluate_model_base", "evaluate_model_tuned", "check_parity", "write_roadbook")
    whole = [run for run in runs if all(any(a.step == step and a.status == "ok" for a in run) for step in wanted)]
    if not whole:
        return None
    run = whole[-1]
    spans = [_get_span(attempt) for attempt in run]
    wall = (max(end for _, end in spans) - min(start for start, _ in spans)).total_seconds()
    trained = _get_union([_get_span(attempt) for attempt in run if attempt.step == "train_model"])
    counted = _get_union(
        [_get_span(attempt) for attempt in run if attempt.step == "train_model" or attempt.step.startswith("evaluate")]
    )
    other: dict[str, float] = {}
    for attempt in run:
        if attempt.step != "train_model" and not attempt.step.startswith("evaluate"):
            other[attempt.step] = round(other.get(attempt.step, 0.0) + (attempt.seconds or 0.0), 1)
    return {
        "started": run[0].started,
        "wall_seconds": round(wall, 1),
        "training_seconds": round(trained, 1),
        "evaluation_seconds": round(counted - trained, 1),
        "outside_seconds": round(wall - counted, 1),
        "outside_percent": round((1 - counted / wall) * 100, 1),
        "longest_other_steps": dict(sorted(other.items(), key=lambda item: -item[1])[:5]),
    }


def run_bench(
    folder: Path, steps: int, rows: int, project: Path | None, root: Path, out: Path, parts: tuple[str, ...] = PARTS
) -> dict[str, Any]:
    """Measure everything, print a table, write ``out``.

    Args:
        folder: empty folder for the work; the caller removes it.
        steps: of each training, at least 6.
        rows: test rows of the evaluation, at least 1.
        project: whose last run is read; ``None`` takes the newest under ``root``/projects.
        root: the repository.
        out: JSON file to write.
        parts: of PARTS, those to measure.

    Raises:
        GaslampError: a part failed, or a number is too small.
    """
    if steps < MIN_STEPS or rows < 1:
        raise GaslampError(
            f"--steps {steps} --rows {rows} is too little to compare", f"give at least --steps {MIN_STEPS} --rows 1"
        )
    project = project or find_project(root)
    if project and not project.is_dir():
        raise GaslampError(f"{project} is no folder", "give --project a generated project")
    started = time.monotonic()
    bench = Bench(folder, steps, rows)
    bench.prepare()
    result: dict[str, Any] = {
        "schema_version": 1,
        "measured": now(),
        "cores": os.cpu_count(),
        "load_before": _get_load(),
    }
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "training": lambda: bench_training(bench),
        "evaluation": lambda: bench_evaluation(bench),
        "dashboard": lambda: {
            "server": bench_server(folder / "dashboard"),
            "tab": bench_tab(folder / "tab", lambda name, metrics: get_history(bench.run_training(name, metrics))),
        },
        "data": lambda: bench_data(bench),
    }
    result |= {part: measures[part]() for part in PARTS if part in parts}
    result["share"] = get_share(project / "logs" / "phases.jsonl") if project else None
    result["project"] = project.name if project else None
    result |= {"load_after": _get_load(), "seconds": round(time.monotonic() - started, 1), "versions": get_versions()}
    write_json(out, result)
    show(result)
    return result


def _get_load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def show(result: dict[str, Any]) -> None:
    """Print the figures as a table."""
    from rich.console import Console
    from rich.table import Table

    share = result["share"]
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for column in ("", "gaslamp", "bare", "result"):
        table.add_column(column, justify="left" if column in ("", "result") else "right")
    if train := result.get("training"):
        overhead = f"{train['overhead_percent']:+.1f} %"
        table.add_row(
            "training step, median",
            f"{train['our_median_seconds']:.3f} s",
            f"{train['bare_median_seconds']:.3f} s",
            f"{overhead} step by step",
        )
        if train["checkpoint_seconds"] is not None:
            table.add_row(
                "checkpoint",
                f"{train['checkpoint_seconds']:.2f} s",
                "",
                f"{train['checkpoint_percent']:.1f} % at the default pace",
            )
        loss = train["largest_loss_difference"]
        table.add_row(
            "loss, last step",
            f"{train['our_losses'][-1]:.4f}",
            f"{train['bare_losses'][-1]:.4f}",
            f"largest difference {loss:.1e}",
        )
    if answers := result.get("evaluation"):
        rates = [f"{answers[key]:.2f} rows/s" for key in ("our_rows_per_second", "bare_rows_per_second")]
        table.add_row(
            "evaluation",
            *rates,
            f"{answers['ratio']:.1f} x, {answers['equal_answers']} of {answers['rows']} answers equal",
        )
        if answers["harness_ratio"] is not None:
            rates = [f"{answers[key]:.2f} rows/s" for key in ("our_rows_per_second", "harness_rows_per_second")]
            table.add_row(
                "evaluation, lm-eval",
                *rates,
                f"{answers['harness_ratio']:.1f} x, "
                f"{answers['harness_equal_answers']} of {answers['rows']} answers equal",
            )
    if data := result.get("data"):
        rates = [f"{data[key]} rows/s" for key in ("our_rows_per_second", "bare_rows_per_second")]
        table.add_row(f"data phase, {data['rows']} rows", *rates, f"{data['ratio']:.2f} x")
    if screens := result.get("dashboard"):
        tab, server = screens["tab"], screens["server"]
        overhead = f"{tab['overhead_percent']:+.1f} % (noise {tab['noise_percent']:.1f} %)"
        table.add_row(
            "training step, dashboard open", f"{tab['with_seconds']:.3f} s", f"{tab['without_seconds']:.3f} s", overhead
        )
        delay = (
            f"a step is seen after {server['delay_median_seconds']:.2f} s, {server['delay_most_seconds']:.2f} s at most"
        )
        table.add_row(
            f"dashboard, {server['steps']:,} steps, {server['tabs']} tabs",
            f"{100 * server['cpu_share']:.0f} % of a core",
            "",
            delay,
        )
    console = Console(highlight=False)
    console.print()
    console.print(table)
    load = f"load of the machine before {result['load_before']}"
    if train:
        noise = (
            f"the same step twice differs by {train['noise_percent']} % here"
            if train["noise_percent"] is not None
            else "one training each"
        )
        load = f"{train['steps_compared']} steps compared, {noise}; {load}"
    console.print(f"\n{load}", style="dim")
    if share:
        console.print(
            f"last whole run of {result['project']}: {get_duration(share['wall_seconds'])}, "
            f"training {get_duration(share['training_seconds'])}, "
            f"evaluation {get_duration(share['evaluation_seconds'])}, "
            f"outside both {get_duration(share['outside_seconds'])} ({share['outside_percent']} %)"
        )
    elif result["project"]:
        console.print(
            f"{result['project']} has no whole run in logs/phases.jsonl: the share outside training and evaluation "
            "is not known"
        )
    else:
        console.print(
            "no project under projects/: the share outside training and evaluation is not known "
            "(make run, then make bench)"
        )
