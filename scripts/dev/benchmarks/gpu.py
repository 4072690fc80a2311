"""``make bench-gpu``: training on an NVIDIA GPU through our own training script against a bare TRL script, in one run.

Models are random weights in the shape of real ones, made on the spot, so that nothing is downloaded; the text is a
small grammar, so that the loss has something to learn and can be compared. Every row is a process of its own.

Model FLOPs of a token: 4 P + 6 layers x hidden x length (P parameters; forward 2 P, gradients of the activations 2 P,
none of the frozen weights; causal attention 2 forward and 4 backward). What is computed again under checkpointing is
not counted.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from gaslamp.config.schema import Config
from gaslamp.config.slices import write_config
from gaslamp.core.contracts import ModelFacts, Template, TrainFacts
from gaslamp.core.decisions import get_texts
from gaslamp.core.errors import GaslampError
from gaslamp.core.events import get_history, read_events
from gaslamp.core.files import read_json, sha256_text, write_json, write_jsonl

SCRIPTS = Path(__file__).resolve().parents[2]
SHAPES = {  # hidden, layers, heads, key-value heads, inner, tied embeddings
    "tiny": (64, 2, 2, 2, 128, False),  # for a rehearsal without a GPU
    "135m": (576, 30, 9, 3, 1536, True),
    "1b": (2048, 16, 32, 8, 8192, True),
    "8b": (4096, 32, 32, 8, 14336, False),
}
VOCABULARY = 128_256
CONTEXT = 1_048_576  # positions: no bound to the longest context
PART_SECONDS = 540.0  # no part takes longer: a lent machine gives ten minutes for a command
PEAK_TFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L4": 121.0, "A10G": 70.0, "T4": 65.0}
"""Dense 16-bit matrix throughput by the vendor's data sheets, TFLOP/s."""
MODEL = "model.json"
SKIPPED = 4  # first steps: compilation and warm-up
WORDS = (
    ["the cat", "a robot", "my friend", "this engine", "the river", "an old sailor", "our teacher", "the small bird"],
    ["measures", "paints", "carries", "forgets", "repairs", "follows", "counts", "sings about"],
    [
        "the blue box",
        "seven stars",
        "a long road",
        "the quiet house",
        "three letters",
        "the broken clock",
        "some green apples",
        "an empty page",
    ],
)


@dataclass(frozen=True)
class Training:
    """One training that is measured: through our script, or by a bare script."""

    name: str
    shape: str
    steps: int
    train: dict[str, Any] = field(default_factory=dict)
    bare: str = ""  # engine of a bare script: trl, unsloth, or newest (another TRL, in the folder of --newest-trl)
    mixed: bool = False  # rows of 64 tokens up to the full length
    options: dict[str, Any] = field(default_factory=dict)  # of a bare script: offload_embedding, profiled_steps, optim


def get_trainings(shape: str, steps: int) -> list[Training]:
    """For one shape: bare TRL, our script on plain TRL, Unsloth, each in 16 and 4 bit, and mixed lengths."""
    trl, unsloth = {"engine": "trl"}, {"engine": "unsloth"}
    four = {"quantization": "4bit"}
    return [
        Training(f"{shape} bare TRL, 16 bit", shape, steps, bare="trl"),
        Training(f"{shape} bare newest TRL, 16 bit", shape, steps, bare="newest"),
        Training(f"{shape} gaslamp with TRL, 16 bit", shape, steps, trl),
        Training(f"{shape} gaslamp with Unsloth, 16 bit", shape, steps, unsloth),
        Training(
            f"{shape} gaslamp with Unsloth, 16 bit, no checkpointing",
            shape,
            steps,
            {**unsloth, "gradient_checkpointing": False},
        ),
        Training(f"{shape} bare TRL, 4 bit", shape, steps, four, bare="trl"),
        Training(f"{shape} gaslamp with Unsloth, 4 bit", shape, steps, {**unsloth, **four}),
        Training(f"{shape} bare TRL, mixed lengths", shape, steps, bare="trl", mixed=True),
        Training(f"{shape} gaslamp with Unsloth, mixed lengths", shape, steps, unsloth, mixed=True),
        Training(
            f"{shape} gaslamp with Unsloth, mixed lengths, packed",
            shape,
            steps,
            {**unsloth, "packing": True},
            mixed=True,
        ),
    ]


def write_model(folder: Path, shape: str, tokenizer: Path | str) -> None:
    """A Llama with random bfloat16 weights, the tokenizer of ``tokenizer``, and the facts of fetch_model."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    hidden, layers, heads, kv, inner, tied = SHAPES[shape]
    torch.manual_seed(0)
    names = AutoTokenizer.from_pretrained(tokenizer)
    config = LlamaConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv,
        intermediate_size=inner,
        vocab_size=len(names) if shape == "tiny" else VOCABULARY,
        head_dim=hidden // heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=tied,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
        dtype="bfloat16",
        bos_token_id=names.bos_token_id,
        eos_token_id=names.eos_token_id,
        pad_token_id=names.pad_token_id,
    )
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder, max_shard_size="4GB")
    names.save_pretrained(folder)
    facts = ModelFacts(
        name=shape,
        source=f"random:{shape}",
        path=str(folder),
        sha256=sha256_text(shape),
        architecture="LlamaForCausalLM",
        parameters=sum(p.numel() for p in model.parameters()),
        dtype="bfloat16",
        context=CONTEXT,
        size_bytes=sum(file.stat().st_size for file in folder.glob("*.safetensors")),
    )
    facts.write(folder / MODEL)


def write_data(folder: Path, model: str, rows: str, length: str, mixed: str) -> None:
    """template.json of a model, and rows for it (see ``write_rows``); all arguments are texts of a command line."""
    from gaslamp.models.template import Renderer, build_template

    example = [
        {"role": "user", "content": "Describe what happens."},
        {"role": "assistant", "content": "The cat paints seven stars."},
    ]
    template = build_template(model, example)
    template.write(folder / "template.json")
    write_rows(folder, Renderer.load(model, template), int(rows), int(length), bool(mixed))


def write_rows(folder: Path, renderer: Any, rows: int, length: int, mixed: bool) -> None:
    """``rows`` conversations of ``length`` tokens (mixed: log-normal from 64) as train.jsonl and as bare tokens."""
    draw = random.Random(7)

    def write_sentences(count: int) -> str:
        return " ".join(
            f"{draw.choice(WORDS[0]).capitalize()} {draw.choice(WORDS[1])} {draw.choice(WORDS[2])}."
            for _ in range(count)
        )

    per_sentence = len(renderer.tokenize(write_sentences(100))) / 100
    found: list[dict[str, Any]] = []
    tokens: list[dict[str, Any]] = []
    while len(found) < rows:
        wanted = min(length, max(64, int(draw.lognormvariate(5.8, 0.9)))) if mixed else length
        messages = [{"role": "user", "content": "Describe what happens."}, {"role": "assistant", "content": ""}]
        count = int((wanted - 30) / per_sentence) + 2
        while True:  # the longest whole number of sentences that fits
            messages[1]["content"] = write_sentences(count)
            encoded = renderer.encode(messages)
            if len(encoded.ids) <= length:
                break
            count -= 1
        found.append({"id": f"row{len(found)}", "messages": messages})
        tokens.append({"input_ids": encoded.ids, "labels": encoded.labels})
    write_jsonl(folder / "train.jsonl", found)
    write_jsonl(folder / "train.tokens.jsonl", tokens)
    write_jsonl(folder / "valid.jsonl", [])
    lengths = Counter(
        len(row["input_ids"]) for row in tokens
    )  # what the data card says of the rows, for the choice of settings
    histogram = [{"from": size, "to": size + 1, "rows": count} for size, count in sorted(lengths.items())]
    write_json(
        folder / "card.json",
        {"rows": {"train": rows}, "tokens": {"total": {"max": max(lengths)}}, "histogram": histogram},
    )


class GpuBench:
    """A folder with models and rows, and the processes that are measured in it.

    Args:
        folder: for models, rows and runs; kept between calls.
        tokenizer: folder with a tokenizer and its chat template.
        length, batch_size, accumulation: of the rows and the step.
        tiny: a rehearsal on a processor: every part with a model of nearly nothing, whose figures say nothing.
        newest_trl: folder of another TRL (pip install --no-deps --target), or None.
    """

    def __init__(
        self,
        folder: Path,
        tokenizer: Path,
        length: int,
        batch_size: int,
        accumulation: int,
        tiny: bool = False,
        newest_trl: Path | None = None,
    ) -> None:
        self.folder, self.tokenizer, self.length = folder, tokenizer, length
        self.batch_size, self.accumulation, self.tiny, self.newest_trl = batch_size, accumulation, tiny, newest_trl
        self.deadline = time.monotonic() + PART_SECONDS
        self.device = "cpu" if tiny else "cuda"

    def get_model(self, shape: str) -> ModelFacts:
        """The model of a shape, made once for all calls."""
        return ModelFacts.read(
            self.make(f"model-{shape}", "benchmarks.gpu", "write_model", shape, self.tokenizer) / MODEL
        )

    def make(self, name: str, module: str, function: str, *arguments: object) -> Path:
        """The folder ``name``, made once by ``function(folder, *arguments)`` of a module in a process of its own.

        One that was left half-made is made again: files in it hold paths, so that it cannot be renamed into place.
        """
        folder, complete = self.folder / name, self.folder / f"{name}.complete"
        if not complete.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            code = (
                f"import sys; from pathlib import Path; from {module} import {function}; "
                f"{function}(Path(sys.argv[1]), *sys.argv[2:])"
            )
            self.call(f"making {name}", [sys.executable, "-c", code, str(folder), *map(str, arguments)])
            complete.touch()
        return folder

    def get_rows(self, training: Training) -> Path:
        """The folder with the rows of a training, made once."""
        rows = training.steps * self.batch_size * self.accumulation
        name = f"rows-{training.shape}-{rows}-{self.length}{'-mixed' if training.mixed else ''}"
        values = (self.get_model(training.shape).path, rows, self.length, "mixed" if training.mixed else "")
        return self.make(name, "benchmarks.gpu", "write_data", *values)

    def get_environment(self, first: Path | None = None) -> dict[str, str]:
        """Of the processes: no network, this library, and ``first`` before all other packages."""
        places = [str(place) for place in (first, SCRIPTS, SCRIPTS / "dev") if place] + [
            os.environ.get("PYTHONPATH", "")
        ]
        offline = {
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "UNSLOTH_DISABLE_STATISTICS": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        return {**os.environ, **offline, "PYTHONPATH": os.pathsep.join(place for place in places if place)}

    def call(self, name: str, command: list[str], first: Path | None = None, cwd: Path | None = None) -> Path:
        """Run a process and return its log; GaslampError with the last lines when it fails or takes too long."""
        log = self.folder / f"{get_slug(name)}.log"
        left = self.deadline - time.monotonic()
        with log.open("w", encoding="utf-8") as handle:
            try:
                done = subprocess.run(
                    command,
                    stdout=handle,
                    stderr=subprocess.STDOUT,
                    cwd=cwd or self.folder,
                    env=self.get_environment(first),
                    timeout=max(1.0, left),
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise GaslampError(
                    f"{name} was not done after {left:.0f} s", "call it again: models and rows that were made are kept"
                ) from None
        if done.returncode:
            tail = " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-6:])
            raise GaslampError(
                f"{name} failed (exit {done.returncode}): {tail[-900:]}",
                "fix what it names and run make bench-gpu again",
            )
        return log

    def get_place(self, name: str) -> Path:
        """An empty folder for what a part writes."""
        place = self.folder / "runs" / get_slug(name)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        return place

    def get_config(self, train: dict[str, Any]) -> Config:
        """The settings of every training, with those of one; ``None`` leaves one open."""
        values = {
            "learning_rate": 1e-3,
            "batch_size": self.batch_size,
            "gradient_accumulation": self.accumulation,
            "packing": False,
            "quantization": "none",
            "max_length": self.length,
            "scheduler": "constant",
            "warmup_steps": 0,
            "adam_beta2": 0.999,
            "gradient_checkpointing": True,
            "lora": {"r": 16, "alpha": 16},
            **train,
        }
        return Config.model_validate({"backend": "cuda", "train": values})

    def get_command(self, training: Training, place: Path, train: dict[str, Any] | None = None) -> list[str]:
        """Our training script on the rows of a training, everything written to ``place``."""
        rows = self.get_rows(training)
        config = self.get_config({"max_steps": training.steps, **training.train, **(train or {})})
        names = {
            "model": Path(self.get_model(training.shape).path) / MODEL,
            **{name: rows / f"{name}.jsonl" for name in ("train", "valid")},
        }
        names |= {"template": rows / "template.json", "card": rows / "card.json"}
        outs = {
            "checkpoints": place / "checkpoints",
            "metrics": place / "metrics.jsonl",
            "adapters": place / "adapters",
            "facts": place / "train.json",
        }
        flags = [f"--{name}={path}" for name, path in {**names, **outs, "log": place / "train_model.log"}.items()]
        return [
            sys.executable,
            str(SCRIPTS / "train_model.py"),
            f"--config={write_config(config, place)}",
            *flags,
        ]

    def measure(self, training: Training) -> dict[str, Any]:
        """Run one training and return its figures."""
        place, started = self.get_place(training.name), time.monotonic()
        found: dict[str, Any] = {}
        if training.bare:
            result = self.run_bare(training, self.get_rows(training) / "train.tokens.jsonl", place)
            steps, peak = result["steps"], result["peak_memory_gb"]
            found = {"profile": result["profile"]} if result["profile"] else {}
        else:
            self.call(training.name, self.get_command(training, place))
            events, facts = read_events(place / "metrics.jsonl"), read_json(place / "train.json")
            steps, peak = get_history(events), facts["peak_memory_gb"]
            taken = next(event for event in events if event["event"] == "start")["settings"]
            found = {
                name: taken[name]
                for name in ("batch_size", "gradient_accumulation", "packing", "gradient_checkpointing", "quantization")
            }
            decisions = get_texts(TrainFacts.read(place / "train.json").decisions)
            found["decisions"] = {name: decisions[name] for name in found if name in decisions}
            found["memory"] = next(event for event in events if event["event"] == "start")["memory"]
        timed = steps[SKIPPED:]
        per_second = sum(step["tokens"] for step in timed) / sum(step["seconds"] for step in timed)
        return {
            "shape": training.shape,
            "mixed": training.mixed,
            "tokens_per_second": round(per_second),
            "step_seconds": round(median(s["seconds"] for s in timed), 4),
            "peak_memory_gb": round(peak or 0.0, 2),
            "losses": [round(step["loss"], 4) for step in steps],
            "wall": round(time.monotonic() - started, 1),
            "mfu": self.get_mfu(training, per_second),
            **found,
        }

    def run_bare(self, training: Training, tokens: Path, place: Path, template: Path | None = None) -> dict[str, Any]:
        """A bare script on rows that are tokens already: its steps, peak memory, and profile if one was wanted."""
        if training.bare == "newest" and self.newest_trl is None:
            raise NotHere("no other TRL is here: --newest-trl FOLDER (pip install --no-deps --target FOLDER trl)")
        train = self.get_config({"max_steps": training.steps, **training.train}).train
        cuda = self.device == "cuda"
        template = template or self.get_rows(training) / "template.json"
        job = {
            "model": self.get_model(training.shape).path,
            "train": str(tokens),
            "valid": None,
            "seed": train.seed,
            "pad_token": Template.read(template).pad_token,
            "device": self.device,
            "dtype": "bfloat16" if cuda else "float32",
            "quantization": train.quantization,
            "engine": training.bare,
            "max_length": train.max_length,
            "lora": {
                "r": train.lora.r,
                "lora_alpha": train.lora.alpha,
                "lora_dropout": 0.0,
                "target_modules": train.lora.target_modules,
            },
            "arguments": {
                "output_dir": str(place / "bare"),
                "per_device_train_batch_size": train.batch_size,
                "gradient_accumulation_steps": train.gradient_accumulation,
                "max_steps": training.steps,
                "learning_rate": train.learning_rate,
                "lr_scheduler_type": train.scheduler,
                "warmup_steps": 0,
                "weight_decay": 0.0,
                "max_grad_norm": 1.0,
                "gradient_checkpointing": train.gradient_checkpointing,
                "optim": training.options.get("optim", "adamw_torch"),
                "seed": train.seed,
                "data_seed": train.seed,
                "logging_steps": 1,
                "save_strategy": "no",
                "max_length": None,
                "report_to": "none",
                "disable_tqdm": True,
                "bf16": cuda,
                "use_cpu": not cuda,
            },
            "out": str(place / "result.json"),
            "cache": str(place / "cache"),
            **{name: value for name, value in training.options.items() if name != "optim"},
        }
        write_json(place / "job.json", job)
        first = self.newest_trl if training.bare == "newest" else None
        self.call(
            f"{training.name} bare",
            [
                sys.executable,
                "-P",
                str(SCRIPTS / "dev" / "benchmarks" / "bare_trl.py"),
                "train",
                str(place / "job.json"),
            ],
            first,
        )
        return dict(read_json(place / "result.json"))

    def get_mfu(self, training: Training, tokens_per_second: float) -> float | None:
        """Share of the GPU's peak that the model's own FLOPs took; ``None`` for mixed lengths and unknown GPUs."""
        import torch

        name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
        peak = next((value for key, value in PEAK_TFLOPS.items() if key in name), None)
        if peak is None or training.mixed:
            return None
        hidden, layers = SHAPES[training.shape][:2]
        flops = 4 * self.get_model(training.shape).parameters + 6 * layers * hidden * self.length
        return round(tokens_per_second * flops / (peak * 1e12), 3)


class NotHere(GaslampError):
    """What a part needs is not on this machine: it is left out, with this reason."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause, "see docs/hardware.md")


def get_slug(name: str) -> str:
    """A name for files."""
    return re.sub(r"\W+", "_", name)
