"""``make bench-gpu``: training on an NVIDIA GPU through our own training script against a bare TRL script, in one run.

Models are random weights in the shape of real ones, made on the spot, so that nothing is downloaded; the text is a small
grammar, so that the loss has something to learn and can be compared. Every row is a process of its own.

Model FLOPs of a token: 4 P + 6 layers x hidden x length (P parameters; forward 2 P, gradients of the activations 2 P, none
of the frozen weights; causal attention 2 forward and 4 backward). What is computed again under checkpointing is not counted.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from gaslamp.config import Config, get_slice
from gaslamp.console import say
from gaslamp.contracts import ModelFacts, Template, get_versions, now
from gaslamp.errors import GaslampError
from gaslamp.events import get_history, read_events
from gaslamp.files import read_json, sha256_text, write_json, write_jsonl

SCRIPTS = Path(__file__).resolve().parent.parent
SHAPES = {  # hidden, layers, heads, key-value heads, inner, tied embeddings
    "tiny": (64, 2, 2, 2, 128, False),  # for a rehearsal without a GPU
    "135m": (576, 30, 9, 3, 1536, True),
    "1b": (2048, 16, 32, 8, 8192, True),
    "8b": (4096, 32, 32, 8, 14336, False),
}
VOCABULARY = 128_256
PEAK_TFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0, "L4": 121.0, "A10G": 70.0, "T4": 65.0}
"""Dense 16-bit matrix throughput by the vendor's data sheets, TFLOP/s."""
SKIPPED = 4  # first steps: compilation and warm-up
WORDS = (
    ["the cat", "a robot", "my friend", "this engine", "the river", "an old sailor", "our teacher", "the small bird"],
    ["measures", "paints", "carries", "forgets", "repairs", "follows", "counts", "sings about"],
    ["the blue box", "seven stars", "a long road", "the quiet house", "three letters", "the broken clock", "some green apples", "an empty page"],
)


@dataclass(frozen=True)
class Part:
    """One row of the table."""

    name: str
    shape: str
    steps: int
    train: dict[str, Any] = field(default_factory=dict)
    bare: bool = False
    mixed: bool = False  # rows of 64 tokens up to the full length


def get_parts(shape: str, steps: int) -> list[Part]:
    """The rows for one shape: bare TRL, our script on plain TRL, Unsloth, each in 16 and 4 bit, and mixed lengths."""
    trl, unsloth = {"engine": "trl"}, {"engine": "unsloth"}
    four = {"quantization": "4bit"}
    return [
        Part("bare TRL, 16 bit", shape, steps, bare=True),
        Part("gaslamp with TRL, 16 bit", shape, steps, trl),
        Part("gaslamp with Unsloth, 16 bit", shape, steps, unsloth),
        Part("bare TRL, 4 bit", shape, steps, four, bare=True),
        Part("gaslamp with Unsloth, 4 bit", shape, steps, {**unsloth, **four}),
        Part("bare TRL, mixed lengths", shape, steps, bare=True, mixed=True),
        Part("gaslamp with Unsloth, mixed lengths", shape, steps, unsloth, mixed=True),
        Part("gaslamp with Unsloth, mixed lengths, packed", shape, steps, {**unsloth, "packing": True}, mixed=True),
    ]


def write_model(folder: Path, shape: str, tokenizer: Path) -> ModelFacts:
    """A Llama of random weights in bfloat16 with the tokenizer of ``tokenizer``; returns its facts, as fetch_model would."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    hidden, layers, heads, kv, inner, tied = SHAPES[shape]
    torch.manual_seed(0)
    names = AutoTokenizer.from_pretrained(tokenizer)
    config = LlamaConfig(
        hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv, intermediate_size=inner,
        vocab_size=VOCABULARY, head_dim=hidden // heads, max_position_embeddings=131_072, tie_word_embeddings=tied, rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0}, dtype="bfloat16",
        bos_token_id=names.bos_token_id, eos_token_id=names.eos_token_id, pad_token_id=names.pad_token_id,
    )  # fmt: skip
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(torch.float32)
    model.save_pretrained(folder, max_shard_size="4GB")
    names.save_pretrained(folder)
    facts = ModelFacts(
        name=shape, source=f"random:{shape}", path=str(folder), sha256=sha256_text(shape), architecture="LlamaForCausalLM",
        parameters=sum(p.numel() for p in model.parameters()), dtype="bfloat16", context=131_072,
        size_bytes=sum(file.stat().st_size for file in folder.glob("*.safetensors")),
    )  # fmt: skip
    facts.write(folder / "model.json")
    return facts


def write_rows(folder: Path, renderer: Any, rows: int, length: int, mixed: bool) -> None:
    """``rows`` conversations of ``length`` tokens (mixed: log-normal, 64 up to length) as train.jsonl and as bare tokens."""
    draw = random.Random(7)

    def write_sentences(count: int) -> str:
        return " ".join(f"{draw.choice(WORDS[0]).capitalize()} {draw.choice(WORDS[1])} {draw.choice(WORDS[2])}." for _ in range(count))

    per_sentence = len(renderer.tokenize(write_sentences(100))) / 100
    found: list[dict[str, Any]] = []
    tokens: list[dict[str, Any]] = []
    while len(found) < rows:
        wanted = min(length, max(64, int(draw.lognormvariate(5.8, 0.9)))) if mixed else length
        messages = [{"role": "user", "content": "Tell me what happens."}, {"role": "assistant", "content": ""}]
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


class GpuBench:
    """A folder with models and rows, and the processes that are measured in it."""

    def __init__(self, folder: Path, tokenizer: Path, length: int, batch_size: int, accumulation: int, seconds: float) -> None:
        self.folder, self.tokenizer, self.length = folder, tokenizer, length
        self.batch_size, self.accumulation = batch_size, accumulation
        self.deadline = time.monotonic() + seconds
        self.models: dict[str, ModelFacts] = {}

    def prepare(self, part: Part) -> Path:
        """Model and rows of a part, made once; returns the folder of the rows."""
        model = self.folder / f"model-{part.shape}"
        if part.shape not in self.models:
            started = time.monotonic()
            code = "import sys; from pathlib import Path; from gaslamp.bench_gpu import write_model; write_model(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))"
            self._call("model", [sys.executable, "-c", code, str(model), part.shape, str(self.tokenizer)])
            self.models[part.shape] = ModelFacts.read(model / "model.json")
            say(f"{part.shape}: {self.models[part.shape].parameters / 1e9:.2f} B random parameters in {time.monotonic() - started:.0f} s")
        rows = part.steps * self.batch_size * self.accumulation
        place = self.folder / f"rows-{part.shape}-{rows}{'-mixed' if part.mixed else ''}"
        if not (place / "train.jsonl").is_file():
            from gaslamp.template import Renderer, build_template

            example = [{"role": "user", "content": "Tell me what happens."}, {"role": "assistant", "content": "The cat paints seven stars."}]
            template = build_template(str(model), example)
            template.write(place / "template.json")
            write_rows(place, Renderer.load(str(model), template), rows, self.length, part.mixed)
        return place

    def _call(self, name: str, command: list[str]) -> Path:
        log = self.folder / f"{''.join(c if c.isalnum() else '_' for c in name)}.log"
        offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONPATH": f"{SCRIPTS}:{os.environ.get('PYTHONPATH', '')}"}
        left = self.deadline - time.monotonic()
        with log.open("w", encoding="utf-8") as handle:
            done = subprocess.run(
                command, stdout=handle, stderr=subprocess.STDOUT, cwd=self.folder, env={**os.environ, **offline}, timeout=max(1.0, left), check=False
            )
        if done.returncode:
            tail = " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-6:])
            raise GaslampError(f"{name} failed (exit {done.returncode}): {tail[-900:]}", "mend what it names and run make bench-gpu again")
        return log

    def measure(self, part: Part) -> dict[str, Any]:
        """Train one part and return its figures."""
        rows = self.prepare(part)
        place = self.folder / "runs" / "".join(c if c.isalnum() else "_" for c in f"{part.shape} {part.name}")
        place.mkdir(parents=True)
        values = {
            "learning_rate": 1e-3, "max_steps": part.steps, "batch_size": self.batch_size, "gradient_accumulation": self.accumulation,
            "max_length": self.length, "scheduler": "constant", "warmup_steps": 0, "adam_beta2": 0.999, "gradient_checkpointing": True,
            "lora": {"r": 16, "alpha": 16}, **part.train,
        }  # fmt: skip
        config = Config.model_validate({"backend": "cuda", "train": values})
        model = self.folder / f"model-{part.shape}" / "model.json"
        started = time.monotonic()
        if part.bare:
            steps, peak = self._run_bare(part, config, rows, place)
        else:
            names = {"model": model, "train": rows / "train.jsonl", "valid": rows / "valid.jsonl", "template": rows / "template.json"}
            outs = {"checkpoints": place / "checkpoints", "metrics": place / "metrics.jsonl", "adapters": place / "adapters", "facts": place / "train.json"}
            flags = [f"--{name}={path}" for name, path in {**names, **outs, "log": place / "train.log"}.items()]
            settings = get_slice(config, "backend", "method", "train")
            self._call(part.name, [sys.executable, str(SCRIPTS / "train_model.py"), f"--settings={settings}", *flags])
            steps, peak = get_history(read_events(place / "metrics.jsonl")), read_json(place / "train.json")["peak_memory_gb"]
        timed = steps[SKIPPED:]
        per_second = sum(step["tokens"] for step in timed) / sum(step["seconds"] for step in timed)
        return {
            "name": part.name, "shape": part.shape, "tokens_per_second": round(per_second), "step_seconds": round(median(s["seconds"] for s in timed), 4),
            "peak_memory_gb": round(peak, 2), "losses": [round(step["loss"], 4) for step in steps], "wall": round(time.monotonic() - started, 1),
            "mfu": self._get_mfu(part, per_second),
        }  # fmt: skip

    def _run_bare(self, part: Part, config: Config, rows: Path, place: Path) -> tuple[list[dict[str, Any]], float]:
        train = config.train
        job = {
            "model": self.models[part.shape].path, "train": str(rows / "train.tokens.jsonl"), "valid": None, "seed": train.seed,
            "pad_token": Template.read(rows / "template.json").pad_token, "device": "cuda", "dtype": "bfloat16", "quantization": train.quantization,
            "lora": {"r": train.lora.r, "lora_alpha": train.lora.alpha, "lora_dropout": 0.0, "target_modules": train.lora.target_modules},
            "arguments": {
                "output_dir": str(place / "bare"), "per_device_train_batch_size": self.batch_size, "gradient_accumulation_steps": self.accumulation,
                "max_steps": part.steps, "learning_rate": train.learning_rate, "lr_scheduler_type": train.scheduler, "warmup_steps": 0,
                "weight_decay": 0.0, "max_grad_norm": 1.0, "gradient_checkpointing": True, "optim": "adamw_torch", "seed": train.seed,
                "data_seed": train.seed, "logging_steps": 1, "save_strategy": "no", "max_length": None, "report_to": "none", "disable_tqdm": True, "bf16": True,
            },
            "out": str(place / "result.json"), "cache": str(place / "cache"),
        }  # fmt: skip
        write_json(place / "job.json", job)
        self._call(part.name, [sys.executable, "-P", str(SCRIPTS / "gaslamp" / "bench_bare.py"), "train", str(place / "job.json")])
        result = read_json(place / "result.json")
        return result["steps"], result["peak_memory_gb"]

    def _get_mfu(self, part: Part, tokens_per_second: float) -> float | None:
        import torch

        name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
        peak = next((value for key, value in PEAK_TFLOPS.items() if key in name), None)
        if peak is None or part.mixed:
            return None
        hidden, layers = SHAPES[part.shape][:2]
        flops = 4 * self.models[part.shape].parameters + 6 * layers * hidden * self.length
        return round(tokens_per_second * flops / (peak * 1e12), 3)


def run_bench_gpu(
    folder: Path, tokenizer: Path, shapes: list[str], steps: int, length: int, batch_size: int, accumulation: int, seconds: float, only: str, out: Path
) -> dict[str, Any]:
    """Measure every part, print the table and write it as JSON after each row, so that a stop loses nothing.

    Args:
        folder: for models, rows and runs (20 GB for the 8b shape).
        tokenizer: folder with a tokenizer and its chat template.
        shapes: names of SHAPES.
        steps: of each training; the first SKIPPED are not timed.
        length, batch_size, accumulation: of the rows and the step.
        seconds: rows that would start later than this are left out, and said.
        only: regular expression for the names of the rows; empty: all.
        out: JSON to write.
    """
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    bench = GpuBench(folder, tokenizer, length, batch_size, accumulation, seconds)
    result: dict[str, Any] = {
        "started": now(), "device": device, "versions": get_versions(("torch", "transformers", "trl", "peft", "datasets", "unsloth", "bitsandbytes")),
        "length": length, "batch_size": batch_size, "accumulation": accumulation, "rows": [], "left_out": [],
    }  # fmt: skip
    for part in [part for shape in shapes for part in get_parts(shape, steps) if re.search(only, part.name)]:
        if time.monotonic() > bench.deadline - 40:
            result["left_out"].append(f"{part.shape} {part.name}: no time left")
            continue
        try:
            row = bench.measure(part)
        except (GaslampError, subprocess.TimeoutExpired) as error:
            result["left_out"].append(f"{part.shape} {part.name}: {str(error)[:900]}")
            say(result["left_out"][-1])
            continue
        result["rows"].append(row)
        utilisation = f", {row['mfu']:.0%} of the peak" if row["mfu"] else ""
        say(f"{part.shape} {part.name}: {row['tokens_per_second']} tokens/s, {row['peak_memory_gb']} GB{utilisation}, loss {row['losses'][0]} -> {row['losses'][-1]}")
        write_json(out, result)
    print(render_table(result), flush=True)
    write_json(out, result)
    return result


def render_table(result: dict[str, Any]) -> str:
    """Markdown: one line for each row, with its ratio to the first bare row of its shape and kind."""
    lines = ["| model | training | tokens/s | against bare TRL | memory | model FLOPs | loss |", "|---|---|---|---|---|---|---|"]
    for row in result["rows"]:
        mixed = "mixed" in row["name"]
        base = next((r for r in result["rows"] if r["shape"] == row["shape"] and r["name"].startswith("bare") and ("mixed" in r["name"]) == mixed), None)
        ratio = f"{row['tokens_per_second'] / base['tokens_per_second']:.2f} times" if base else ""
        mfu = f"{row['mfu']:.0%}".replace("%", " %") if row["mfu"] else ""
        lines.append(
            f"| {row['shape']} | {row['name']} | {row['tokens_per_second']:,} | {ratio} | {row['peak_memory_gb']:.1f} GB | {mfu} "
            f"| {row['losses'][0]:.2f} → {row['losses'][-1]:.2f} |"
        )
    lines += [f"left out: {text}" for text in result["left_out"]]
    return "\n".join(lines)
