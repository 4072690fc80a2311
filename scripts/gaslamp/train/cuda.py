"""Training on an NVIDIA GPU, behind the cuda backend: what is chosen by its memory, and the model that is loaded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from gaslamp.config.length import CARD
from gaslamp.config.methods import get_method, is_multimodal
from gaslamp.config.slices import Slice, change_train, parse_slice
from gaslamp.core.console import say
from gaslamp.core.decisions import Decision
from gaslamp.core.events import Events
from gaslamp.core.files import read_json, write_json
from gaslamp.core.processes import get_count, get_local_rank, is_first
from gaslamp.environment.gpu_memory import describe_parts
from gaslamp.environment.memory_estimate import MemoryFit
from gaslamp.environment.system import System
from gaslamp.models.checkpoint import read_shape
from gaslamp.models.dequantize import is_quantized
from gaslamp.models.loading import get_model_class
from gaslamp.models.shape import Shape
from gaslamp.train import gpu as gpus
from gaslamp.train.autotune import choose, get_open
from gaslamp.train.gpu import Gpu, choose_attention
from gaslamp.train.lengths import Lengths
from gaslamp.train.plan import Plan, Result
from gaslamp.train.trl.engine import train_with_trl
from gaslamp.train.trl.load import get_peft_config
from gaslamp.train.unsloth import load_with_unsloth


def estimate_gpu_memory(shape: Shape, settings: Slice, system: System) -> MemoryFit:
    """How the training fits into the first GPU, and what would be chosen of the settings that are left open.

    The same calculation is made again when the training begins.
    """
    kind = "GPU memory"
    if not system["gpus"]:
        return MemoryFit("unknown", {}, 0.0, kind)
    found = system["gpus"][0]
    total, free = found["vram_gb"], found["vram_free_gb"]
    if free is None or total is None:  # a board whose GPU shares the main memory reports neither
        return MemoryFit("unknown", {}, free or 0.0, kind)
    method = get_method(settings.method)
    open_ = get_open(settings.train, method, is_multimodal(settings.method))
    values = {**settings.dump()["train"], "choose": open_}
    train = parse_slice(json.dumps({"backend": settings.backend, "method": settings.method, "train": values})).train
    lengths = Lengths.from_card(read_json(CARD), train.max_length) if CARD.is_file() else Lengths(1, [train.max_length])
    choice = choose(train, shape, method, Gpu(found["name"], total, free), lengths)
    # packing depends on what is installed in the interpreter that trains
    decisions = [decision for decision in choice.decisions if decision.name != "packing"]
    if choice.need_gb <= choice.limit_gb:
        return MemoryFit("fits", choice.parts, free, kind, decisions)
    cause = (
        f"GPU memory: {choice.need_gb:.1f} GB needed ({describe_parts(choice.parts)}), "
        f"{free:.1f} of {total:.1f} GB free on {found['name']}; calculated"
    )
    ways = [] if train.quantization != "none" or "quantization" in open_ else ["train.quantization: 4bit"]
    if not train.gradient_checkpointing and "gradient_checkpointing" not in open_:
        ways.append("train.gradient_checkpointing: true")
    fix = f"set {', or '.join([*ways, 'train.max_length: a smaller one', 'model.source: a smaller model'])}"
    fixed = sum(choice.parts.get(part, 0.0) for part in ("weights", "adapter", "all weights", "reference", "context"))
    if fixed > total:
        return MemoryFit("exceeds", choice.parts, free, kind, decisions, problems=[(cause, fix)])
    tight = choice.need_gb <= free
    return MemoryFit("tight" if tight else "exceeds", choice.parts, free, kind, decisions, warnings=[f"{cause}: {fix}"])


def choose_dtype(wanted: str) -> Decision:
    """The type of the base weights in training."""
    import torch

    if wanted != "auto":
        return Decision(name="dtype", value=wanted, reason="set in config.yaml")
    if not torch.cuda.is_available():
        return Decision(name="dtype", value="float32", reason="Unsloth's own CPU backend (no GPU here)")
    gpu = torch.cuda.get_device_name()
    if torch.cuda.is_bf16_supported():
        reason = f"{gpu} computes in it, and it does not overflow as float16 does"
        return Decision(name="dtype", value="bfloat16", reason=reason)
    return Decision(name="dtype", value="float16", reason=f"{gpu} is older than bfloat16")


def train_on_gpu(plan: Plan, events: Events) -> Result:
    """Train with the engine of the config, on one GPU for each process."""
    import torch

    gpu = gpus.read_gpu()
    chosen = choose_open_settings(plan, events, gpu) if gpu else []
    train = plan.settings.train
    dtype = choose_dtype(train.dtype)
    cuda = torch.cuda.is_available()
    arguments: dict[str, Any] = {
        "use_cpu": not cuda,
        "bf16": cuda and dtype.value == "bfloat16",
        "fp16": cuda and dtype.value == "float16",
    }
    # Unsloth's trainer logs no token count on a GPU; transformers' own is restored after a resume as well
    arguments["include_num_input_tokens_seen"] = "non_padding"
    decisions = [
        dtype,
        Decision(name="engine", value=train.engine, reason="set by train.engine"),
        Decision(name="quantization", value=train.quantization, reason="train.quantization"),
    ]
    if train.adapter == "none" and cuda:
        arguments["optim"] = "adamw_8bit"  # two bytes of moments for each weight instead of eight
        decisions.append(Decision(name="optimizer", value="adamw_8bit", reason="every weight is trained"))
    if gpu:
        decisions.append(choose_attention(gpu, train.engine, str(dtype.value)))
    names = {decision.name for decision in chosen}
    decisions = [*(decision for decision in decisions if decision.name not in names), *chosen]
    load = load_with_unsloth if train.engine == "unsloth" else load_with_transformers
    # on a GPU Unsloth replaces TRL's trainers by its own, which drop a peft_config without a word
    return train_with_trl(plan, events, arguments, str(dtype.value), decisions, load, train.engine == "unsloth")


def choose_open_settings(plan: Plan, events: Events, gpu: Gpu) -> list[Decision]:
    """Fill what the config left open by GPU, model and lengths; returns each choice.

    A training that resumes keeps what its checkpoint was made with.
    """
    settings = plan.settings
    method = get_method(settings.method)
    open_ = get_open(settings.train, method, is_multimodal(settings.method), is_quantized(plan.model.path))
    record = plan.checkpoints / "chosen.json"
    if not open_:
        return []
    if plan.resume and record.is_file():
        kept = read_json(record)
        changes = {name: value for name, value in kept["changes"].items() if name in open_}
        plan.settings = change_train(settings, changes)
        decisions = [Decision.model_validate(entry) for entry in kept["decisions"]]
        return [decision for decision in decisions if decision.name in open_]
    longest = settings.train.max_length
    lengths = Lengths.from_card(read_json(plan.card), longest) if plan.card else Lengths(len(plan.train), [longest])
    if get_count() > 1:  # the same everywhere, whatever each GPU has free at this moment
        gpu = replace(gpu, free_gb=0.97 * gpu.total_gb)
    shape = read_shape(Path(plan.model.path))
    choice = choose(change_train(settings, {"choose": open_}).train, shape, method, gpu, lengths)
    plan.settings = change_train(settings, choice.changes)
    if get_count() == 1:  # several processes would have to agree on what each measured
        plan.choice = choice
    say(choice.describe(gpu))
    need = {"changes": choice.changes, "need_gb": choice.parts, "room_gb": choice.room_gb}
    reasons = {decision.name: decision.text for decision in choice.decisions}
    events.write("choice", gpu=gpu.name, reasons=reasons, **need)
    if is_first():
        plan.checkpoints.mkdir(parents=True, exist_ok=True)
        write_json(record, {**need, "decisions": [decision.model_dump() for decision in choice.decisions]})
    return choice.decisions


def load_with_transformers(plan: Plan, dtype: str) -> tuple[object, object]:
    """The model as transformers loads it, quantized by bitsandbytes where set, and the adapter's config."""
    import torch
    from transformers import BitsAndBytesConfig

    train = plan.settings.train
    if load_own := getattr(get_method(plan.settings.method), "load_model", None):  # a model of another kind
        return load_own(plan.model.path, dtype), get_peft_config(train, plan.model.path)
    own: dict[str, Any] = {}
    if train.quantization == "4bit":
        own["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=getattr(torch, dtype),
            bnb_4bit_use_double_quant=True,
        )
    elif train.quantization == "8bit":
        own["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True)
    gpu = gpus.read_gpu()
    model = get_model_class(plan.model.path).from_pretrained(
        plan.model.path,
        dtype=getattr(torch, dtype),
        device_map={"": get_local_rank()} if torch.cuda.is_available() else None,
        trust_remote_code=False,
        use_safetensors=True,
        attn_implementation=choose_attention(gpu, "trl", dtype).value if gpu else None,  # sdpa, if it has it
        **own,
    )
    if own:
        from peft import prepare_model_for_kbit_training

        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=train.gradient_checkpointing)
    return model, get_peft_config(train, plan.model.path)
