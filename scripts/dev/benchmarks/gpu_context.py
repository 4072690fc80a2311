"""Part of ``make bench-gpu``: the longest sequence that a training step of one row gets through on this GPU.

Run as a program, in a process of its own: ``gpu_context.py job.json``. Each length is one whole step (forward,
backward, optimizer) as the training's own probe makes it; doubled until memory runs out, then halved between; every
result is written at once.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def search(fits: Callable[[int], bool], first: int, most: int, grain: int) -> int:
    """The longest length that fits, to within ``grain``; 0 when not even ``first`` does."""
    low, high = 0, first
    while high <= most and fits(high):
        low, high = high, high * 2
    if high > most:
        return low
    while high - low > grain:
        middle = (low + high) // 2 // grain * grain
        if middle <= low:
            break
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def main(job: dict[str, Any]) -> None:
    """Load model and adapter once, then try lengths; write {longest, tried: [[length, fits, seconds, GB] ...]}."""
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
    found: dict[str, Any] = {"engine": job["engine"], "longest": 0, "tried": []}
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

    search(fits, job["first"], job["most"], job["grain"])
    found["complete"] = time.monotonic() <= end
    Path(job["out"]).write_text(json.dumps(found), encoding="utf-8")


def load(job: dict[str, Any], dtype: Any) -> tuple[Any, Any]:
    """The quantized base model; with Unsloth its adapter is on it, else the adapter's config comes along."""
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    four = job["quantization"] == "4bit"
    if job["engine"] == "unsloth":
        from unsloth import FastLanguageModel

        model, _ = FastLanguageModel.from_pretrained(
            job["model"], max_seq_length=job["most"], dtype=dtype, load_in_4bit=four
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
