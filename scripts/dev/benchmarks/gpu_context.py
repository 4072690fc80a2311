"""Part of ``make bench-gpu``: the longest sequence that a training step of one row gets through on this GPU.

Run as a program, in a process of its own: ``gpu_context.py job.json``. Each length is one whole step (forward,
backward, optimizer) as the training's own probe makes it. Memory grows with the length in a straight line: three
lengths give it, and its prediction for a smaller card is tried under a cap of the allocator: it should fit, 5 % more
should not. Every result is written at once.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

RESERVED_GB = 0.6  # of a card's memory: CUDA itself


def draw_line(points: list[tuple[int, float]]) -> tuple[float, float]:
    """Least squares through (tokens, GB): GB without a token, and GB a token."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
    return mean_y - slope * mean_x, slope


def main(job: dict[str, Any]) -> None:
    """Load model and adapter once, measure lengths, draw the line, and check it under caps.

    Writes {tried: [[length, fits, seconds, GB] ...], line: [GB, GB a token], caps: {GB: {predicted, fits, more_fits}}}.
    """
    if job["engine"] == "unsloth":
        import unsloth  # noqa: F401  # before all others, which it patches
    import torch
    from datasets import Dataset
    from gaslamp.train.oom import is_out_of_memory
    from gaslamp.train.trl.measure import begin_measuring
    from gaslamp.train.trl.probe import probe_longest
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    cuda = job["device"] == "cuda"
    model, adapter = load(job, torch.bfloat16 if cuda else torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    row = {"input_ids": list(range(100, 164)), "labels": list(range(100, 164))}
    arguments = SFTConfig(
        output_dir=job["work"],
        per_device_train_batch_size=1,
        gradient_checkpointing=True,
        bf16=cuda,
        use_cpu=not cuda,
        max_length=None,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list([row] * 2),
        processing_class=tokenizer,
        peft_config=adapter,
    )
    found: dict[str, Any] = {"engine": job["engine"], "longest": 0, "tried": [], "caps": {}}
    end = time.monotonic() + job["seconds"]

    def fits(length: int) -> bool:
        if time.monotonic() > end:
            return False
        ids = torch.randint(100, 10_000, (1, length))
        batch = {"input_ids": ids, "labels": ids.clone(), "attention_mask": torch.ones_like(ids)}
        begin_measuring()
        started, peak = time.monotonic(), None
        try:
            peak = probe_longest(trainer, [length], lambda trainer, rows: batch, size=1)["peak_memory_gb"]
        except BaseException as error:
            if not is_out_of_memory(error):
                found["stopped"] = f"{type(error).__name__}: {error}"[:500]
        good = peak is not None
        found["tried"].append([length, good, round(time.monotonic() - started, 2), peak])
        found["longest"] = max([found["longest"], *([length] if good else [])])
        Path(job["out"]).write_text(json.dumps(found), encoding="utf-8")
        return good

    for length in job["lengths"]:
        fits(length)
    points = [(length, peak) for length, good, _, peak in found["tried"] if good]
    if cuda and len(points) >= 2:
        base, slope = draw_line(points)
        found["line"] = [round(base, 3), slope]
        total = torch.cuda.get_device_properties(0).total_memory / 1e9
        for cap in [*job["caps"], round(total - RESERVED_GB, 1)]:
            predicted = int((cap - base) / slope) // job["grain"] * job["grain"]
            found["caps"][cap] = {"predicted": predicted}
            if predicted > job["most"]:  # it would take minutes
                continue
            torch.cuda.set_per_process_memory_fraction(cap / total)
            found["caps"][cap] |= {"fits": fits(predicted), "more_fits": fits(int(predicted * 1.05))}
            torch.cuda.set_per_process_memory_fraction(1.0)
    found["complete"] = time.monotonic() <= end
    Path(job["out"]).write_text(json.dumps(found), encoding="utf-8")


def load(job: dict[str, Any], dtype: Any) -> tuple[Any, Any]:
    """The quantized base model; with Unsloth its adapter is on it, else the adapter's config comes along."""
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    four = job["quantization"] == "4bit"
    if job["engine"] == "unsloth":
        from unsloth import FastLanguageModel

        model, _ = FastLanguageModel.from_pretrained(
            job["model"], max_seq_length=max(job["most"], *job["lengths"]), dtype=dtype, load_in_4bit=four
        )
        return FastLanguageModel.get_peft_model(
            model, r=32, lora_alpha=32, target_modules=names, use_gradient_checkpointing="unsloth", random_state=0
        ), None
    import torch
    from peft import LoraConfig, prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    own: dict[str, Any] = {}
    if four:
        own["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, bnb_4bit_use_double_quant=True
        )
    model = AutoModelForCausalLM.from_pretrained(
        job["model"],
        dtype=dtype,
        device_map={"": 0} if torch.cuda.is_available() else None,
        attn_implementation="sdpa",
        **own,
    )
    model.config.use_cache = False
    if four:
        model = prepare_model_for_kbit_training(model)
    return model, LoraConfig(r=32, lora_alpha=32, target_modules=names, task_type="CAUSAL_LM")


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
