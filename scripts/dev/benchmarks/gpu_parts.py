"""The parts of ``make bench-gpu``, what each needs, and their run: resumable, in bounded time, results in one JSON.

``item`` of a part is its number in the list of what is measured: 1 speed and memory, 2 the longest context, 3 our
overhead, 4 the whole graph, 5 GRPO, 6 vision, 7 kill and resume, 8 the chosen settings against a search, 9 every
method, 10 where the time of a step goes, 11 the memory of 4 bit, 12 full fine-tuning.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from gaslamp.core.console import say
from gaslamp.core.contracts import get_versions, now
from gaslamp.core.errors import GaslampError
from gaslamp.core.events import get_history, read_events
from gaslamp.core.files import read_json, read_jsonl, write_json, write_jsonl
from gaslamp.train.autotune import get_sizes

from benchmarks.gpu import PART_SECONDS, SCRIPTS, SKIPPED, GpuBench, NotHere, Training, get_slug, get_trainings
from benchmarks.training import compare_trainings, find_disturbed

ROOT = SCRIPTS.parent
PAIRS = 3
"""How often the overhead is measured: each time by the rule and by a bare script."""
VERSIONS = ("torch", "transformers", "trl", "peft", "datasets", "unsloth", "unsloth_zoo", "bitsandbytes", "triton")
VISION_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
    "(message['content'] if message['content'] is string else "
    "(message['content'] | map(attribute='text', default='<image>') | join)) + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Part:
    """A line of the table; its name selects it."""

    name: str
    item: int
    minutes: float  # about what it takes on an H100, models made before: guessed where it never ran
    run: Callable[[GpuBench], dict[str, Any]]


def get_parts(bench: GpuBench, shapes: list[str], steps: int) -> list[Part]:
    """Every part, in the order in which they run: what was never measured comes before what was."""
    largest, smallest = shapes[-1], shapes[0]
    parts = [
        Part(one.name, 1, 2.5 if one.shape == "8b" else 1.2, _measure(one))
        for shape in shapes
        for one in get_trainings(shape, steps)
    ]
    searches = [
        Part(one.name, 8, 2.0 if one.shape == "8b" else 1.0, _try(one))
        for shape in shapes
        for one in get_searches(shape, steps, bench)
    ]
    small_4bit = [
        Part(one.name, 11, 2.0 if largest == "8b" else 1.0, _measure(one))
        for one in get_small(largest, steps, bench.tiny)
    ]
    full = Training(
        f"{smallest} gaslamp with Unsloth, full fine-tuning",
        smallest,
        steps,
        {"engine": "unsloth", "adapter": "none", "learning_rate": 2e-5},
    )
    return [
        *searches,
        *(
            Part(f"longest context, {largest} 4 bit, {engine}", 2, 3.0, _find_context(largest, engine))
            for engine in ("unsloth", "trl")
        ),
        *(
            Part(f"overhead of the whole rule, pair {pair}", 3, 4.0, _measure_overhead(smallest, pair))
            for pair in range(1, PAIRS + 1)
        ),
        Part("whole graph up to the adapters", 4, 3.0, _run_graph),
        Part("whole graph to the proven GGUF", 4, 5.0, _prove_graph),
        Part("GRPO on sums", 5, 9.0, _run_grpo),
        Part("vision on digits", 6, 6.0, _run_vision),
        Part("kill and resume", 7, 3.0, _kill_and_resume(smallest)),
        *(Part(f"method {name}", 9, 1.5, _train_method(name)) for name in METHODS),
        *(Part(one.name, 10, 2.5, _measure(one)) for one in get_profiled(largest, steps)),
        *small_4bit,
        Part(full.name, 12, 1.5, _measure(full)),
        *parts,
    ]


def _measure(training: Training) -> Callable[[GpuBench], dict[str, Any]]:
    return lambda bench: bench.measure(training)


# ------------------------------------------------------------------ 10 and 11: a step's time, and the memory of 4 bit


def get_profiled(shape: str, steps: int) -> list[Training]:
    """Bare Unsloth scripts whose last steps are profiled, with and without checkpointing."""
    return [
        Training(
            f"{shape} profile, {name}",
            shape,
            steps,
            {"gradient_checkpointing": again},
            bare="unsloth",
            options={"profiled_steps": min(3, steps - SKIPPED)},
        )
        for name, again in (("checkpointing", True), ("no checkpointing", False))
    ]


def get_small(shape: str, steps: int, tiny: bool) -> list[Training]:
    """4 bit with Unsloth (16 bit in a rehearsal), and what could make it smaller: one by one, then together."""
    four = {"quantization": "none" if tiny else "4bit"}
    rows: dict[str, Any] = {"batch_size": 1, "gradient_accumulation": 8}
    optimizer: dict[str, Any] = {"optim": "adamw_8bit"}
    offload: dict[str, Any] = {"offload_embedding": True}
    tried: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
        ("as it is", {}, {}),
        ("one row a pass", rows, {}),
        ("8-bit optimizer", {}, optimizer),
        ("embedding in main memory", {}, offload),
        ("all three", rows, optimizer | offload),
    ]
    return [
        Training(f"{shape} 4 bit, {name}", shape, steps, four | train, bare="unsloth", options=options)
        for name, train, options in tried
    ]


# ------------------------------------------------------------------------------------------------ 8: what is chosen


def get_searches(shape: str, steps: int, bench: GpuBench) -> list[Training]:
    """The chosen settings and a search over batch size, checkpointing and packing, at one effective batch size."""
    rows = bench.batch_size * bench.accumulation
    engine: dict[str, Any] = {"engine": "unsloth", "choose": []}
    left_open = dict.fromkeys(
        ("batch_size", "gradient_accumulation", "packing", "gradient_checkpointing", "quantization", "choose")
    )
    found = [
        Training(
            f"{shape} search: what is chosen",
            shape,
            steps,
            {**left_open, "quantization": "auto", "engine": "unsloth"},
            mixed=True,
        )
    ]
    for again in (False, True):
        for size in [size for size in ((4,) if bench.tiny else (1, 2, 4, 8, 16)) if rows % size == 0]:
            split = {"batch_size": size, "gradient_accumulation": rows // size, "gradient_checkpointing": again}
            name = f"{shape} search: {size} x {rows // size}{', checkpointing' if again else ''}"
            found.append(Training(name, shape, steps, {**engine, **split}, mixed=True))
    sequences = max(1, rows // 4)  # packed sequences that hold about as many rows as a step
    for again in (False, True):
        for size in get_sizes(sequences):
            split = {"batch_size": size, "gradient_accumulation": sequences // size, "gradient_checkpointing": again}
            name = f"{shape} search: packed {size} x {sequences // size}{', checkpointing' if again else ''}"
            found.append(Training(name, shape, steps, {**engine, "packing": True, **split}, mixed=True))
    return found


def _try(training: Training) -> Callable[[GpuBench], dict[str, Any]]:
    """A training of the search: that memory ran out is its result, not a failure."""

    def run(bench: GpuBench) -> dict[str, Any]:
        try:
            return bench.measure(training)
        except GaslampError as error:
            if "not enough memory" not in error.cause and "out of memory" not in error.cause.lower():
                raise
        return {"shape": training.shape, "ran_out": True}

    return run


def judge_search(parts: dict[str, Any], shape: str) -> str | None:
    """What was chosen against the best that was found by hand, once both were measured."""
    rates = {
        name: one["tokens_per_second"]
        for name, one in parts.items()
        if name.startswith(f"{shape} search: ") and "ran_out" not in one
    }
    chosen = rates.pop(f"{shape} search: what is chosen", None)
    if not chosen or not rates:
        return None
    best = max(rates, key=lambda name: rates[name])
    share = f"{chosen / rates[best]:.0%}".replace("%", " %")
    found = best.removeprefix(f"{shape} search: ")
    return (
        f"{shape}: the chosen settings reach {share} of the tokens/s of the best by hand "
        f"({found}, {len(rates)} tried); wanted: 95 %"
    )


# ------------------------------------------------------------------------------------------------- 2: the longest
# context


def _find_context(shape: str, engine: str) -> Callable[[GpuBench], dict[str, Any]]:
    def run(bench: GpuBench) -> dict[str, Any]:
        name = f"context {shape} {engine}"
        place = bench.get_place(name)
        job = {
            "model": bench.get_model(shape).path,
            "engine": engine,
            "device": bench.device,
            "quantization": "none" if bench.tiny else "4bit",
            "lengths": [64, 128, 256] if bench.tiny else [8192, 16_384, 32_768],
            "caps": [] if bench.tiny else [24.0],  # GB of a common card
            "grain": 64 if bench.tiny else 2048,
            "most": 512 if bench.tiny else 100_000,
            "seconds": bench.deadline - time.monotonic() - 60,
            "out": str(place / "result.json"),
            "work": str(place),
        }
        write_json(place / "job.json", job)
        with contextlib.suppress(
            GaslampError
        ):  # what was found until then counts: each length is written when it is done
            bench.call(
                name, [sys.executable, str(SCRIPTS / "dev" / "benchmarks" / "gpu_context.py"), str(place / "job.json")]
            )
        if not (place / "result.json").is_file():
            tail = (
                (bench.folder / f"{get_slug(name)}.log").read_text(encoding="utf-8", errors="replace").splitlines()[-6:]
            )
            raise GaslampError(f"not one length was tried: {' | '.join(tail)[-900:]}", "see the log")
        return dict(read_json(place / "result.json"))

    return run


# --------------------------------------------------------------------------------------------------- projects (3 to 6)


def make_project(bench: GpuBench, name: str, settings: dict[str, Any]) -> Path:
    """A project from cookiecutter with ``settings`` (train.max_steps: 10 ...) in its config; an old one is removed."""
    import yaml
    from gaslamp.config.scaffold import ensure_current

    for program in ("snakemake", "cookiecutter"):
        if importlib.util.find_spec(program) is None:
            raise NotHere(f"{program} is not installed here, which runs the rules")
    folder = bench.folder / "projects" / name
    shutil.rmtree(folder, ignore_errors=True)
    project, _ = ensure_current(folder, ROOT)
    file = project / "config.yaml"
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    for key, value in {"dashboard.open": "never", **settings}.items():
        *parents, last = key.split(".")
        section = values
        for parent in parents:
            section = section[parent]
        section[last] = value
    file.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return project


def run_rules(bench: GpuBench, name: str, project: Path, *targets: str) -> None:
    """Snakemake in a project, by the profile of this bench."""
    profile = "cpu" if bench.tiny else "cuda"
    bench.call(name, [sys.executable, "-m", "snakemake", "--profile", profile, *targets], cwd=project)


def get_embedded(bench: GpuBench) -> str:
    """The model that projects train: the embedded one, or the tiny one of a rehearsal."""
    return bench.get_model("tiny").path if bench.tiny else "embedded:smollm2-135m-instruct"


def _measure_overhead(shape: str, pair: int) -> Callable[[GpuBench], dict[str, Any]]:
    """The rule through Snakemake, with its dashboard open and followed, against a bare script on the very same rows."""

    def run(bench: GpuBench) -> dict[str, Any]:
        from benchmarks.screens import dashboard

        engine = "trl" if bench.tiny else "unsloth"
        training = Training(
            "overhead",
            shape,
            8 if bench.tiny else 40,
            {"engine": engine, "choose": [], "max_length": bench.length + 32},
            bare=engine,
        )
        place, name = bench.folder / "overhead", f"pair{pair}"
        complete = place / "complete"  # the project is made for the first pair and kept for the others
        if not complete.is_file():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            _make_overhead_project(bench, training, place)
            complete.touch()
        project = next((bench.folder / "projects" / "overhead").glob("*/config.yaml")).parent

        def train_by_rule() -> list[dict[str, Any]]:
            for folder in ("outputs", "logs", "checkpoints"):  # of a call that was cut
                shutil.rmtree(project / folder / name, ignore_errors=True)
            with dashboard(project, place / "dashboard.log") as (url, _, _), follow(url, name):
                run_rules(bench, f"overhead rule, {name}", project, f"outputs/{name}/train.json")
            return read_events(project / "logs" / name / "train.metrics.jsonl")

        def train_bare() -> list[dict[str, Any]]:
            template = project / "data" / "template.json"
            own = bench.get_place(f"overhead {name}")
            return list(bench.run_bare(training, place / "train.tokens.jsonl", own, template)["steps"])

        if pair % 2:  # whichever comes first finds the machine otherwise than the second: they take turns
            events, bare = train_by_rule(), train_bare()
        else:
            bare, events = train_bare(), train_by_rule()
        disturbed = find_disturbed(events) | set(range(1, SKIPPED + 1))
        found = compare_trainings([get_history(events)], [bare], disturbed, [], 1.0)
        return {"shape": shape, "engine": engine, **found}

    return run


def _make_overhead_project(bench: GpuBench, training: Training, place: Path) -> None:
    """The project of the overhead with its data, and the same rows as tokens in ``place`` for the bare script."""
    from gaslamp.core.contracts import Template
    from gaslamp.models.template import Renderer

    rows = bench.get_rows(Training("overhead rows", training.shape, training.steps * 2, {}))
    # rows of one prompt stay in one split: each gets its own
    answers = (row["messages"][1:] for row in read_jsonl(rows / "train.jsonl"))
    write_jsonl(
        place / "rows.jsonl",
        [
            {"messages": [{"role": "user", "content": f"Write story {number}."}, *answer]}
            for number, answer in enumerate(answers)
        ],
    )
    train = bench.get_config({"max_steps": training.steps, **training.train}).train.model_dump()
    keys = (
        "learning_rate",
        "max_steps",
        "batch_size",
        "gradient_accumulation",
        "max_length",
        "scheduler",
        "warmup_steps",
        "adam_beta2",
        "gradient_checkpointing",
        "quantization",
        "packing",
        "choose",
        "engine",
    )
    settings = {f"train.{key}": train[key] for key in keys} | {"train.lora.r": 16, "train.lora.alpha": 16}
    model = bench.get_model(training.shape).path
    source = {
        "model.source": model,
        "data.source": str(place / "rows.jsonl"),
        "data.rehearsal": 0.0,
        "export.formats": ["merged"],
        "data.checks": {
            name: {"severity": "off"} for name in ("near_duplicates", "exact_duplicates", "near_leaks", "exact_leaks")
        },
    }
    project = make_project(bench, "overhead", settings | source)
    run_rules(bench, "overhead rule, data", project, "data/train.jsonl")
    renderer = Renderer.load(model, Template.read(project / "data" / "template.json"))
    encoded = [renderer.encode(row["messages"]) for row in read_jsonl(project / "data" / "train.jsonl")]
    write_jsonl(place / "train.tokens.jsonl", [{"input_ids": row.ids, "labels": row.labels} for row in encoded])


def judge_overhead(parts: dict[str, Any]) -> str | None:
    """Our time of a step over a bare script's: the median of the pairs, and how far they lie apart."""
    found = [row["overhead_percent"] for name, row in parts.items() if name.startswith("overhead of the whole rule")]
    if not found:
        return None
    return (
        f"overhead of the whole rule: {median(found):+.1f} % in the median of {len(found)} "
        f"({min(found):+.1f} to {max(found):+.1f} %)"
    )


@contextlib.contextmanager
def follow(url: str, run: str) -> Iterator[None]:
    """A tab of the dashboard, left open on a run."""
    import httpx

    done = threading.Event()

    def read() -> None:
        with (
            contextlib.suppress(httpx.HTTPError),
            httpx.stream("GET", f"{url}/api/stream?run={run}", timeout=None, trust_env=False) as answer,
        ):
            for _ in answer.iter_lines():
                if done.is_set():
                    return

    threading.Thread(target=read, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _run_graph(bench: GpuBench) -> dict[str, Any]:
    """The whole workflow up to the adapters, by the rules; the project is packed for the phases that need no GPU."""
    settings = {"model.source": get_embedded(bench)} | (
        {"train.max_steps": 4, "train.max_length": 256, "eval.gate": "warn", "export.levels": ["q8_0"]}
        if bench.tiny
        else {}
    )
    project = make_project(bench, "graph", settings)
    started = time.monotonic()
    run_rules(bench, "graph", project, "outputs/main/train.json", "outputs/main/adapters")
    facts = read_json(project / "outputs" / "main" / "train.json")
    archive = shutil.make_archive(str(bench.folder / "graph"), "gztar", project.parent, project.name)
    kept = (
        "device",
        "steps",
        "loss_first",
        "loss_last",
        "valid_loss_last",
        "tokens_per_second",
        "peak_memory_gb",
        "decisions",
    )
    return {
        "wall": round(time.monotonic() - started, 1),
        "archive": Path(archive).name,
        "next": "unpack it, then: snakemake --profile cpu --rerun-triggers mtime",
        **{key: facts[key] for key in kept},
    }


def _prove_graph(bench: GpuBench) -> dict[str, Any]:
    """The same project on to its end on this machine: evaluation, GGUF, ladder, parity; trained first if it was not."""
    trained = "*/outputs/main/train.json"  # the project's own folder has the day in its name
    if not any((bench.folder / "projects" / "graph").glob(trained)):
        _run_graph(bench)
    project = next((bench.folder / "projects" / "graph").glob(trained)).parents[2]
    started = time.monotonic()
    run_rules(bench, "graph, to its end", project)
    outputs = project / "outputs" / "main"
    parity, ladder = read_json(outputs / "gguf" / "parity.json"), read_json(outputs / "gguf" / "ladder.json")
    verdict = read_json(outputs / "eval" / "verdict.json")
    again = bench.call(
        "graph, again", [sys.executable, "-m", "snakemake", "--profile", "cpu" if bench.tiny else "cuda"], cwd=project
    )
    return {
        "wall": round(time.monotonic() - started, 1),
        "verdict": verdict["summary"],
        "recommended": ladder["recommended"],
        "levels": len(ladder["levels"]),
        "passed": parity["passed"],
        "parity": parity["summary"],
        "again": "Nothing to be done" if "Nothing to be done" in again.read_text(encoding="utf-8") else "ran again",
    }


def _run_grpo(bench: GpuBench) -> dict[str, Any]:
    """GRPO on reasoning-gym's sums through the rules: the reward of every step, and a picture of it."""
    if importlib.util.find_spec("reasoning_gym") is None:
        raise NotHere("reasoning-gym is not installed here, which makes and judges the sums")
    steps = 2 if bench.tiny else 120
    options = {"num_generations": 4 if bench.tiny else 8, "max_completion_length": 8 if bench.tiny else 96}
    settings = {
        "method": "grpo",
        "model.source": get_embedded(bench),
        "data.source": "embedded:sums_prompts",
        "train.max_steps": steps,
        "train.options": options,
        "train.rewards": [
            {"name": "reasoning_gym", "weight": 1.0},
            {"name": "length", "weight": 0.2, "options": {"max": 8, "unit": "words", "slack": 60}},
        ],
        "train.learning_rate": 5e-5,
        "train.batch_size": options["num_generations"],
        "train.gradient_accumulation": 1 if bench.tiny else 4,
    }
    project = make_project(bench, "grpo", settings)
    run_rules(bench, "grpo", project, "outputs/main/train.json")
    history = get_history(read_events(project / "logs" / "main" / "train.metrics.jsonl"))
    rewards = [round(step["reward"], 4) for step in history]
    right = [round(step.get("rewards/reasoning_gym/mean", 0.0), 4) for step in history]
    window = max(1, len(rewards) // 6)
    picture = bench.folder / "grpo_reward.svg"
    draw_reward(rewards, right, picture)
    first, last = sum(rewards[:window]) / window, sum(rewards[-window:]) / window
    return {
        "steps": len(rewards),
        "rewards": rewards,
        "right": right,
        "reward_first": round(first, 4),
        "reward_last": round(last, 4),
        "rose": last > first,
        "picture": picture.name,
    }


def draw_reward(rewards: list[float], right: list[float], file: Path) -> None:
    """The reward of each step and its moving mean, as SVG, by matplotlib (which comes with reasoning-gym)."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    window = max(1, len(rewards) // 12)
    means = [
        sum(rewards[max(0, i - window + 1) : i + 1]) / len(rewards[max(0, i - window + 1) : i + 1])
        for i in range(len(rewards))
    ]
    figure, axes = pyplot.subplots(figsize=(7, 3.5))
    steps = range(1, len(rewards) + 1)
    axes.plot(steps, rewards, color="0.75", linewidth=1, label="reward of a step")
    axes.plot(steps, means, linewidth=2, label=f"mean of {window} steps")
    axes.plot(steps, right, linewidth=1, linestyle=":", label="share that the verifier accepts")
    axes.set(xlabel="step", ylabel="reward", title="GRPO on reasoning-gym chain_sum")
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(file)
    pyplot.close(figure)


def write_vision_model(folder: Path, tokenizer: Path | str, size: str) -> None:
    """A LLaVA of random weights that sees 64 x 64 points, with its processor (by PIL: no torchvision is needed)."""
    import torch
    from transformers import (
        AutoTokenizer,
        CLIPImageProcessorPil,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    torch.manual_seed(0)
    names = AutoTokenizer.from_pretrained(tokenizer)
    names.add_special_tokens({"additional_special_tokens": ["<image>"]})
    names.chat_template = VISION_CHATML
    hidden, layers = (64, 2) if size == "tiny" else (512, 8)
    text = {
        "model_type": "llama",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 32,
        "num_key_value_heads": hidden // 32,
        "intermediate_size": 3 * hidden,
        "vocab_size": len(names),
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "bos_token_id": names.bos_token_id,
        "eos_token_id": names.eos_token_id,
        "pad_token_id": names.pad_token_id,
        "dtype": "float32",
    }
    sees = {
        "model_type": "clip_vision_model",
        "hidden_size": hidden // 2,
        "intermediate_size": hidden,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 8,
    }
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            text_config=text,
            vision_config=sees,
            image_token_index=names.convert_tokens_to_ids("<image>"),
            tie_word_embeddings=False,
        )
    )
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = names.eos_token_id, names.pad_token_id
    model.save_pretrained(folder)
    images = CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64})
    LlavaProcessor(
        images,
        names,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=VISION_CHATML,
    ).save_pretrained(folder)


def _run_vision(bench: GpuBench) -> dict[str, Any]:
    """vision_sft on pictures of digits through the rules, up to the comparison of base and tuned."""
    size = "tiny" if bench.tiny else "small"
    model = bench.make("model-vision", "benchmarks.gpu_parts", "write_vision_model", bench.tokenizer, size)
    settings = {
        "method": "vision_sft",
        "model.source": str(model),
        "data.source": "embedded:digits_vision",
        "data.rehearsal": 0.0,
        "train.max_steps": 3 if bench.tiny else 150,
        "train.learning_rate": 2e-3,
        "train.options": {"shortest": 64, "longest": 64},
        "eval.max_new_tokens": 6,
        "eval.gate": "warn",
        "eval.retention": False,
        "export.formats": ["merged"],  # llama.cpp converts no LLaVA with CLIP's vision tower of this shape
        "train.lora.r": 64,
    }
    project = make_project(bench, "vision", settings)
    run_rules(bench, "vision", project, "outputs/main/eval/verdict.json")
    facts, verdict = (
        read_json(project / "outputs" / "main" / "train.json"),
        read_json(project / "outputs" / "main" / "eval" / "verdict.json"),
    )
    kept = ("device", "steps", "loss_first", "loss_last", "valid_loss_last", "peak_memory_gb")
    return {
        **{key: facts[key] for key in kept},
        "falls": facts["loss_last"] < facts["loss_first"],
        "verdict": verdict.get("summary"),
    }


# --------------------------------------------------------------------------------------------------------- 7: a kill


def _kill_and_resume(shape: str) -> Callable[[GpuBench], dict[str, Any]]:
    """``kill -9`` in the middle of a training, and the same command again, against one that nobody disturbed."""

    def run(bench: GpuBench) -> dict[str, Any]:
        training = Training(
            "kill undisturbed", shape, 12, {"engine": "trl" if bench.tiny else "unsloth", "save_steps": 3, "choose": []}
        )
        bench.get_rows(training)
        undisturbed = bench.measure(training)
        place = bench.get_place("kill")
        command = bench.get_command(training, place)
        with (bench.folder / "kill.log").open("w", encoding="utf-8") as handle:
            process = subprocess.Popen(
                command,
                stdout=handle,
                stderr=handle,
                cwd=bench.folder,
                env=bench.get_environment(),
                start_new_session=True,
            )
            done = 0
            while process.poll() is None and done < 7 and time.monotonic() < bench.deadline:
                time.sleep(0.05)
                done = max(
                    [event["step"] for event in read_events(place / "metrics.jsonl") if event["event"] == "step"],
                    default=0,
                )
            running = process.poll() is None
            if running:
                os.killpg(process.pid, signal.SIGKILL)  # a group of its own, started above
            process.wait()
        if not running:
            raise GaslampError(
                f"the training ended before it could be killed (exit {process.returncode})", "see kill.log"
            )
        bench.call("kill, again", command)
        events, facts = read_events(place / "metrics.jsonl"), read_json(place / "train.json")
        losses = [round(step["loss"], 4) for step in get_history(events)]
        return {
            "killed_after": done,
            "resumed_from": facts["resumed_from"],
            "steps": facts["steps"],
            "steps_undisturbed": len(undisturbed["losses"]),
            "losses": losses,
            "losses_undisturbed": undisturbed["losses"],
            "largest_difference": round(max(abs(a - b) for a, b in zip(losses, undisturbed["losses"], strict=True)), 5),
        }

    return run


# ---------------------------------------------------------------------------------------------------- 9: every method

METHODS = (
    "sft",
    "cpt",
    "dpo",
    "orpo",
    "simpo",
    "kto",
    "grpo",
    "gspo",
    "dr_grpo",
    "dapo",
    "rloo",
    "online_dpo",
    "reward",
    "tts",
    "vision_sft",
)


def write_method_rows(folder: Path, tests: str) -> None:
    """The tiny model of the tests, and rows of every kind for it."""
    sys.path.insert(0, tests)
    import tiny
    import training

    training.write_bases(folder, tiny.write_checkpoint(folder.with_name("methods-model") / "tiny-chat"))


def _train_method(name: str) -> Callable[[GpuBench], dict[str, Any]]:
    """Ten steps through Unsloth on the tiny model of the tests: the code path, not a figure."""

    def run(bench: GpuBench) -> dict[str, Any]:
        tests = ROOT / "tests"
        if not (tests / "unit" / "train" / "test_unsloth.py").is_file():
            raise NotHere("the tests are not here")
        if importlib.util.find_spec("unsloth") is None:
            raise NotHere("unsloth is not installed here")
        if importlib.util.find_spec("soundfile") is None:
            raise NotHere("soundfile is not installed here, which writes the rows of tts")
        base = bench.make("methods-base", "benchmarks.gpu_parts", "write_method_rows", tests)
        command = [
            sys.executable,
            str(tests / "unit" / "train" / "test_unsloth.py"),
            str(base),
            str(bench.get_place(f"method {name}")),
            name,
        ]
        log = bench.call(f"method {name}", command, first=tests)
        import json

        line = next(
            line for line in reversed(log.read_text(encoding="utf-8").splitlines()) if line.startswith('{"unsloth"')
        )
        found = json.loads(line)
        return {
            "unsloth": found["unsloth"],
            "key": found["trained"][name]["key"],
            "values": [round(value, 4) for value in found["trained"][name]["values"]],
        }

    return run


# ------------------------------------------------------------------------------------------------------------- the run


def run_parts(
    bench: GpuBench, parts: list[Part], out: Path, seconds: float, only: str, dry_run: bool = False
) -> dict[str, Any]:
    """Run the parts that are not in ``out`` yet, print the table, and write the JSON after each part.

    Args:
        bench: folder and sizes.
        parts: from get_parts.
        out: JSON; parts that stand in it are not run again.
        seconds: a part that would hardly end within them is left for the next call.
        only: regular expression for names, or numbers of items such as ``2,5``; empty: all.
        dry_run: only list them.
    """
    import torch

    chosen = [part for part in parts if has_test_prompts(part, only)]
    result: dict[str, Any] = read_json(out) if out.is_file() else {"parts": {}}
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    if result["parts"] and result.get("device") != device:
        raise GaslampError(
            f"{out} has figures of {result.get('device')}, this is {device}: they cannot stand in one table",
            "give another --out",
        )
    result |= {
        "device": device,
        "versions": get_versions(VERSIONS),
        "length": bench.length,
        "batch_size": bench.batch_size,
        "accumulation": bench.accumulation,
        "tiny": bench.tiny,
        "left_out": {},
        "failed": {},
        "updated": now(),
    }
    if dry_run:
        for part in chosen:
            say(
                f"{part.item}  {part.name}: "
                + ("done" if part.name in result["parts"] else f"about {part.minutes:g} minutes")
            )
        return result
    end = time.monotonic() + seconds
    for part in chosen:
        if part.name in result["parts"]:
            continue
        if end - time.monotonic() < min(part.minutes * 60, PART_SECONDS) * (0.0 if bench.tiny else 1.0):
            result["left_out"][part.name] = "no time left in this call: call it again"
            continue
        bench.deadline = min(end, time.monotonic() + PART_SECONDS)
        started = time.monotonic()
        try:
            result["parts"][part.name] = {
                **part.run(bench),
                "item": part.item,
                "took": round(time.monotonic() - started, 1),
            }
        except NotHere as error:
            result["left_out"][part.name] = error.cause
        except GaslampError as error:
            result["failed"][part.name] = f"{error.cause[:900]}"
        except (
            ArithmeticError,
            LookupError,
            OSError,
            StopIteration,
            TypeError,
            ValueError,
        ) as error:  # a slip in one part must not cost the others their turn
            result["failed"][part.name] = f"{type(error).__name__}: {error}"[:900]
            traceback.print_exc()
        what = (
            "done"
            if part.name in result["parts"]
            else result["left_out"].get(part.name) or f"failed: {result['failed'][part.name]}"
        )
        say(f"{part.name}: {what}, {time.monotonic() - started:.0f} s")
        write_json(out, result)
    print(render_table(result), flush=True)
    write_json(out, result)
    return result


def has_test_prompts(part: Part, only: str) -> bool:
    """Whether ``only`` (a regular expression, or numbers of items) names a part."""
    if re.fullmatch(r"\d(,\d)*", only):
        return str(part.item) in only.split(",")
    return bool(re.search(only, part.name))


def render_table(result: dict[str, Any]) -> str:
    """Markdown: a table of the trainings with their ratios to bare TRL, and a sentence for each other part."""
    parts = result["parts"]
    lines = ["| training | tokens/s | against bare TRL | memory | model FLOPs | loss |", "|---|---|---|---|---|---|"]
    for name, row in parts.items():
        if "tokens_per_second" not in row or "shape" not in row:
            continue
        base = parts.get(f"{row['shape']} bare TRL, {'mixed lengths' if row['mixed'] else '16 bit'}")
        ratio = f"{row['tokens_per_second'] / base['tokens_per_second']:.2f} times" if base else ""
        mfu = f"{row['mfu']:.0%}".replace("%", " %") if row["mfu"] else ""
        lines.append(
            f"| {name} | {row['tokens_per_second']:,} | {ratio} | {row['peak_memory_gb']:.1f} GB | {mfu} "
            f"| {row['losses'][0]:.2f} → {row['losses'][-1]:.2f} |"
        )
    lines.append("")
    shapes = dict.fromkeys(row["shape"] for row in parts.values() if "mixed" in row)
    lines += [line for shape in shapes if (line := judge_search(parts, shape))]
    lines += [line for line in [judge_overhead(parts)] if line]
    lines += [f"{name}: {describe(row)}" for name, row in parts.items() if "mixed" not in row]
    lines += [f"left out: {name}: {why}" for name, why in result["left_out"].items()]
    lines += [f"failed: {name}: {why}" for name, why in result["failed"].items()]
    return "\n".join(lines)


def describe(row: dict[str, Any]) -> str:
    """One line for a part that is no row of the table."""
    kept = {
        key: value
        for key, value in row.items()
        if isinstance(value, bool | int | float | str) and key not in ("item", "took", "next")
    }
    return ", ".join(f"{key} {value}" for key, value in kept.items())
