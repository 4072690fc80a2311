"""Train on an NVIDIA GPU: with Unsloth's kernels, or with plain TRL and PEFT when the config says so, never silently."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaslamp.core import registry, threads
from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir, read_json, write_json
from gaslamp.core.processes import get_count, get_local_rank, is_first
from gaslamp.environment.memory_estimate import read_shape
from gaslamp.models.dequantize import is_quantized
from gaslamp.train.autotune import Lengths, choose, get_open
from gaslamp.train.method import get_artefact, get_method, is_multimodal

if TYPE_CHECKING:
    from gaslamp.core.events import Events
    from gaslamp.train.autotune import Gpu
    from gaslamp.train.run import Plan, Result

BUILT = True
REASON = ""
EXTRA = "cuda"
REQUIRES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "bitsandbytes", "unsloth")
METHODS = tuple(registry.names("methods"))
PLAIN_ONLY = ("embedding",)  # Unsloth has its own trainer for sentence encoders, not the one of sentence-transformers

# What makes a run the same everywhere: no statistics call, no installing behind the user's back, no files in the project.
ENVIRONMENT = {"UNSLOTH_DISABLE_STATISTICS": "1", "UNSLOTH_AUTO_INSTALL": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}


def find_machine_problems(system: dict[str, Any]) -> list[tuple[str, str]]:
    """What this machine lacks for this backend, each with what to use instead."""
    if system["gpus"]:
        return []
    other = "mac" if system["is_apple_silicon"] else "cpu"
    return [
        (
            "no NVIDIA GPU here: nvidia-smi lists none",
            f"use snakemake --profile {other}, or a machine with an NVIDIA GPU and its driver",
        )
    ]


def find_setting_problems(settings: Any) -> list[tuple[str, str]]:
    """Settings that this backend cannot follow, each with what to do."""
    train, problems = settings.train, []
    if train.engine == "unsloth" and settings.method in PLAIN_ONLY:
        problems.append((f"Unsloth does not train {settings.method}", "set train.engine: trl"))
    if train.quantization != "none" and get_artefact(settings.method) != "causal_lm":
        problems.append(
            (
                f"train.quantization: {train.quantization} is for models that write; {settings.method} makes another",
                "set train.quantization: none",
            )
        )
    if train.options.get("fast_inference"):
        if train.engine != "unsloth":
            problems.append(
                ("train.options.fast_inference is Unsloth's", "set train.engine: unsloth, or fast_inference: false")
            )
        if importlib.util.find_spec("vllm") is None:
            problems.append(
                (
                    "train.options.fast_inference needs vLLM, which is not installed",
                    f'"{sys.executable}" -m pip install vllm, or set it to false',
                )
            )
    return problems


def prepare_process(settings: Any) -> str:
    """Set what must stand before torch is imported; import Unsloth first of all, because it patches the others on import."""
    choice = threads.prepare_process()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("UNSLOTH_COMPILE_LOCATION", str(get_cache_dir() / "unsloth_compiled_cache"))
    if settings.train.engine == "unsloth" and "unsloth" not in sys.modules:
        late = [name for name in ("transformers", "trl", "peft") if name in sys.modules]
        assert not late, f"{', '.join(late)} was imported before unsloth, which then patches too late"
        import unsloth  # noqa: F401
    return choice


def choose_dtype(wanted: str) -> tuple[str, str]:
    """The type of the base weights in training and the reason for it."""
    import torch

    if wanted != "auto":
        return wanted, "set in config.yaml"
    if not torch.cuda.is_available():
        return "float32", "Unsloth's own CPU backend (no GPU here)"
    if torch.cuda.is_bf16_supported():
        return "bfloat16", f"{torch.cuda.get_device_name()} computes in it, and it does not overflow as float16 does"
    return "float16", f"{torch.cuda.get_device_name()} is older than bfloat16"


def train(plan: Plan, events: Events) -> Result:
    """Train with the engine of the config, on one GPU for each process."""
    import torch

    from gaslamp.train.autotune import choose_attention, read_gpu
    from gaslamp.train.trl.engine import train_with_trl

    gpu = read_gpu()
    chosen = choose_open_settings(plan, events, gpu) if gpu else {}
    train = plan.settings.train
    dtype, reason = choose_dtype(train.dtype)
    cuda = torch.cuda.is_available()
    arguments: dict[str, Any] = {
        "use_cpu": not cuda,
        "bf16": cuda and dtype == "bfloat16",
        "fp16": cuda and dtype == "float16",
    }
    # Unsloth's trainer logs no token count on a GPU; transformers' own is restored after a resume as well
    arguments["include_num_input_tokens_seen"] = "non_padding"
    if train.adapter == "none" and cuda:
        arguments["optim"] = "adamw_8bit"  # two bytes of moments for each weight instead of eight
    decisions = {
        "dtype": f"{dtype}: {reason}",
        "engine": f"{train.engine}: set by train.engine",
        "quantization": f"{train.quantization}: train.quantization",
        **({"optimizer": "adamw_8bit: every weight is trained"} if "optim" in arguments else {}),
        **({"attention": ": ".join(choose_attention(gpu, train.engine, dtype))} if gpu else {}),
        **chosen,
    }
    load = load_with_unsloth if train.engine == "unsloth" else load_with_transformers
    return train_with_trl(plan, events, arguments, dtype, decisions, load)


def choose_open_settings(plan: Plan, events: Events, gpu: Gpu) -> dict[str, str]:
    """Fill what the config left open by GPU, model and lengths; returns each value with its reason.

    A training that goes on keeps what its checkpoint was made with.
    """
    from gaslamp.train.run import change_settings

    settings = plan.settings
    method = get_method(settings.method)
    open_ = get_open(settings.train, method, is_multimodal(settings.method), is_quantized(plan.model.path))
    record = plan.checkpoints / "chosen.json"
    if not open_:
        return {}
    if plan.resume and record.is_file():
        kept = read_json(record)
        plan.settings = change_settings(
            settings, {name: value for name, value in kept["changes"].items() if name in open_}
        )
        return {name: text for name, text in kept["reasons"].items() if name in open_}
    longest = settings.train.max_length
    lengths = Lengths.from_card(read_json(plan.card), longest) if plan.card else Lengths(len(plan.train), [longest])
    if get_count() > 1:  # the same everywhere, whatever each GPU has free at this moment
        gpu = replace(gpu, free_gb=0.97 * gpu.total_gb)
    choice = choose(
        change_settings(settings, {"choose": open_}).train,
        read_shape(Path(plan.model.path)),
        method,
        settings.method,
        gpu,
        lengths,
    )
    plan.settings = change_settings(settings, choice.changes)
    if get_count() == 1:  # several processes would have to agree on what each measured
        plan.choice = choice
    say(choice.describe(gpu))
    values = {"changes": choice.changes, "reasons": choice.reasons, "need_gb": choice.parts, "room_gb": choice.room_gb}
    events.write("choice", gpu=gpu.name, **values)
    if is_first():
        plan.checkpoints.mkdir(parents=True, exist_ok=True)
        write_json(record, values)
    return choice.reasons


def load_with_unsloth(plan: Plan, dtype: str) -> tuple[Any, Any]:
    """Unsloth's model, with its adapter on it: then no peft_config is left for the trainer to apply.

    A model that sees and one that scores come without: their methods choose the layers and keep the head.
    """
    import torch
    from unsloth import FastLanguageModel, FastModel, FastVisionModel

    from gaslamp.train.trl.engine import get_peft_config

    train, method = plan.settings.train, plan.settings.method
    is_text = get_artefact(method) == "causal_lm" and not is_multimodal(method)
    fast = FastLanguageModel if is_text else FastVisionModel if is_multimodal(method) else FastModel
    own: dict[str, Any] = {"num_labels": 1} if get_artefact(method) == "classifier" else {}
    if draws := train.options.get("fast_inference"):
        own |= {
            "fast_inference": True,
            "max_lora_rank": train.lora.r,
            "gpu_memory_utilization": 0.5,
        }  # half for drawing, half for training
    if get_count() > 1 and torch.cuda.is_available():
        own["device_map"] = {"": get_local_rank()}
    checkpointing: Any = "unsloth" if train.gradient_checkpointing else False
    model, _ = fast.from_pretrained(
        plan.model.path,
        max_seq_length=train.max_length,
        dtype=getattr(torch, dtype),
        load_in_4bit=train.quantization == "4bit",
        load_in_8bit=train.quantization == "8bit",
        full_finetuning=train.adapter == "none",
        use_gradient_checkpointing=checkpointing,
        trust_remote_code=False,
        random_state=train.seed,
        **own,
    )
    if draws and not hasattr(model, "vllm_engine"):  # it would go on without, and only print that it does
        raise GaslampError(
            "Unsloth could not draw completions with vLLM for this model or GPU",
            "set train.options.fast_inference: false",
        )
    if train.adapter == "none":
        return model, None
    if not is_text:
        return model, get_peft_config(train)
    lora = train.lora
    names = (
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
        if lora.target_modules == "all-linear"
        else lora.target_modules
    )
    model = FastLanguageModel.get_peft_model(
        model,
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        bias="none",
        target_modules=names,
        use_gradient_checkpointing=checkpointing,
        random_state=train.seed,
    )
    return model, None


def load_with_transformers(plan: Plan, dtype: str) -> tuple[Any, Any]:
    """The model as transformers loads it, quantized by bitsandbytes when asked for, and the adapter's config for the trainer."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    from gaslamp.train.autotune import choose_attention, read_gpu
    from gaslamp.train.trl.engine import get_peft_config

    train = plan.settings.train
    if load_own := getattr(get_method(plan.settings.method), "load_model", None):  # a model of another kind
        return load_own(plan.model.path, dtype), get_peft_config(train)
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
    model = AutoModelForCausalLM.from_pretrained(
        plan.model.path,
        dtype=getattr(torch, dtype),
        device_map={"": get_local_rank()} if torch.cuda.is_available() else None,
        trust_remote_code=False,
        use_safetensors=True,
        attn_implementation=choose_attention(gpu, "trl", dtype)[0] if (gpu := read_gpu()) else "sdpa",
        **own,
    )
    if own:
        from peft import prepare_model_for_kbit_training

        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=train.gradient_checkpointing)
    return model, get_peft_config(train)
