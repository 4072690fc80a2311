"""What a person would write without gaslamp, on plain TRL, transformers and datasets: the baselines of ``make bench``.

Run as a program by benchmarks.training, each part in a process of its own with the libraries' own thread settings:
``bare_trl.py train|answer|tokenize job.json``. Of the library it takes only the
order of the training rows, so that losses can be compared step by step.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def train(job: dict[str, Any]) -> dict[str, Any]:
    """TRL's SFTTrainer on tokenized rows; time, tokens and loss of every step, and the peak of device memory.

    ``device`` cuda and ``quantization`` 4bit in the job: what a person would write for one NVIDIA GPU; ``engine``
    unsloth: with Unsloth.
    """
    if job.get("engine") == "unsloth":
        import unsloth  # noqa: F401  # before all others, which it patches
    import torch
    from peft import LoraConfig, prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback, set_seed

    steps: list[dict[str, float]] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        began, seconds, seen = 0.0, 0.0, 0.0

        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            self.began = time.monotonic()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            self.seconds = time.monotonic() - self.began

        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **kwargs: Any) -> None:
            if "loss" in logs:
                tokens, self.seen = float(logs.get("num_tokens", 0.0)) - self.seen, float(logs.get("num_tokens", 0.0))
                steps.append(
                    {
                        "step": state.global_step,
                        "time": time.time(),
                        "loss": float(logs["loss"]),
                        "seconds": self.seconds,
                        "tokens": tokens,
                    }
                )

    set_seed(job["seed"])
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    tokenizer.pad_token = job["pad_token"]
    cuda, own = job.get("device") == "cuda", {}
    if job.get("quantization") == "4bit":
        own["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
            bnb_4bit_use_double_quant=True,
        )
    dtype = getattr(torch, job.get("dtype", "float32"))
    if job.get("engine") == "unsloth":
        return _train(job, *_load_with_unsloth(job, dtype), tokenizer, steps, Clock())
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=dtype, device_map={"": 0} if cuda else None, **own)
    model.config.use_cache = False
    if own:
        model = prepare_model_for_kbit_training(model)
    return _train(job, model, LoraConfig(**job["lora"], bias="none", task_type="CAUSAL_LM"), tokenizer, steps, Clock())


def _load_with_unsloth(job: dict[str, Any], dtype: Any) -> tuple[Any, None]:
    from unsloth import FastLanguageModel

    lora, again = job["lora"], "unsloth" if job["arguments"]["gradient_checkpointing"] else False
    model, _ = FastLanguageModel.from_pretrained(
        job["model"],
        max_seq_length=job["max_length"],
        dtype=dtype,
        load_in_4bit=job.get("quantization") == "4bit",
        offload_embedding=bool(job.get("offload_embedding")),
    )
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = FastLanguageModel.get_peft_model(
        model,
        r=lora["r"],
        lora_alpha=lora["lora_alpha"],
        lora_dropout=0.0,
        bias="none",
        target_modules=names,
        use_gradient_checkpointing=again,
        random_state=job["seed"],
    )
    return model, None


def _train(
    job: dict[str, Any], model: Any, adapter: Any, tokenizer: Any, steps: list[dict[str, float]], clock: Any
) -> dict[str, Any]:
    import torch
    from datasets import load_dataset
    from gaslamp.train.sampler import LengthSampler
    from trl import SFTConfig, SFTTrainer

    profile = None
    if count := job.get("profiled_steps"):
        from benchmarks.gpu_profile import StepProfile

        profile = StepProfile(job["arguments"]["max_steps"] - count, count, job.get("device") == "cuda")
    files = {name: job[name] for name in ("train", "valid") if job[name]}
    rows = load_dataset("json", data_files=files, cache_dir=job["cache"])
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**job["arguments"]),
        train_dataset=rows["train"],
        eval_dataset=rows.get("valid"),
        processing_class=tokenizer,
        peft_config=adapter,
        callbacks=[clock, *([profile] if profile else [])],
    )
    # our order of the rows, so that the losses can be compared step by step
    step_rows = job["arguments"]["per_device_train_batch_size"] * job["arguments"].get("gradient_accumulation_steps", 1)
    sampler = LengthSampler([len(row["input_ids"]) for row in rows["train"]], step_rows, job["seed"])
    trainer._get_train_sampler = lambda dataset=None: sampler
    trainer.train()
    if not any(step["tokens"] for step in steps):  # Unsloth's trainer logs no num_tokens
        for step, tokens in zip(
            steps, count_tokens(list(sampler), rows["train"]["input_ids"], step_rows), strict=False
        ):
            step["tokens"] = float(tokens)
    return {
        "steps": steps,
        "peak_memory_gb": torch.cuda.max_memory_reserved() / 1e9 if job.get("device") == "cuda" else None,
        "profile": profile.found if profile else None,
    }


def count_tokens(order: Sequence[int], rows: Sequence[Sequence[int]], step_rows: int) -> list[int]:
    """Tokens of each step: of ``step_rows`` rows after the other in ``order``."""
    return [sum(len(rows[row]) for row in order[at : at + step_rows]) for at in range(0, len(order), step_rows)]


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """One prompt after the other through ``model.generate``."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
    model = PeftModel.from_pretrained(model, job["adapters"]).merge_and_unload().eval()
    rows = [json.loads(line) for line in Path(job["test"]).read_text(encoding="utf-8").splitlines()]
    answers, started = {}, time.monotonic()
    for row in rows:
        text = tokenizer.apply_chat_template(row["messages"][:-1], tokenize=False, add_generation_prompt=True)
        prompt = tokenizer(text, add_special_tokens=False, return_tensors="pt")
        with torch.inference_mode():
            output = model.generate(
                **prompt, max_new_tokens=job["max_new_tokens"], do_sample=False, eos_token_id=job["stop_ids"]
            )
        answers[row["id"]] = tokenizer.decode(output[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
    return {"answers": answers, "seconds": time.monotonic() - started}


def harness(job: dict[str, Any]) -> dict[str, Any]:
    """The same prompts through the transformers backend of lm-evaluation-harness, in batches."""
    import torch
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
    model = PeftModel.from_pretrained(model, job["adapters"]).merge_and_unload().eval()
    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=job["batch_size"], device="cpu")
    rows = [json.loads(line) for line in Path(job["test"]).read_text(encoding="utf-8").splitlines()]
    texts = [
        tokenizer.apply_chat_template(row["messages"][:-1], tokenize=False, add_generation_prompt=True) for row in rows
    ]
    until = tokenizer.convert_ids_to_tokens(job["stop_ids"])
    how = {"until": until, "max_gen_toks": job["max_new_tokens"], "do_sample": False}
    requests = [
        Instance(request_type="generate_until", doc={}, arguments=(text, dict(how)), idx=number)
        for number, text in enumerate(texts)
    ]
    started = time.monotonic()
    found = lm.generate_until(requests, disable_tqdm=True)
    return {
        "answers": {row["id"]: text for row, text in zip(rows, found, strict=True)},
        "seconds": time.monotonic() - started,
    }


def tokenize(job: dict[str, Any]) -> dict[str, Any]:
    """Load a file and map every row to the ids of its conversation: no checks, no splits, no mask."""
    from datasets import load_dataset
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job["model"])

    def encode(row: dict[str, Any]) -> dict[str, Any]:
        text = tokenizer.apply_chat_template(row["messages"], tokenize=False)
        return {"input_ids": tokenizer(text, add_special_tokens=False)["input_ids"]}

    rows = load_dataset("json", data_files=job["data"], cache_dir=job["cache"])["train"].map(encode)
    return {"rows": len(rows)}


if __name__ == "__main__":
    task = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    result = {"train": train, "answer": answer, "harness": harness, "tokenize": tokenize}[sys.argv[1]](task)
    Path(task["out"]).write_text(json.dumps(result), encoding="utf-8")
