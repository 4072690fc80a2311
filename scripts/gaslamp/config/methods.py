"""What the config asks of a method plug-in: its options, its preset, what comes out of it.

A method (``train/methods/<name>.py``) is one way to learn from rows; it is found by name through the registry. What a method
gets from a training, and what it returns, is in ``train/``. Imports nothing heavy: the config is checked with it.
"""

from __future__ import annotations

import difflib
import json
from types import ModuleType
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError

COMMON_PRESET: dict[str, Any] = {
    "batch_size": 2,
    "gradient_accumulation": 1,
    "max_length": 512,
    "packing": False,
    "scheduler": "cosine",
    "warmup_steps": 5,
    "adam_beta2": 0.95,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "gradient_checkpointing": False,
}
"""Train settings for which neither the config nor the method's PRESET names a value."""

GPU_BACKENDS = ("cuda", "colab")
"""Where models of billions of weights are trained: a method's GPU_PRESET counts there."""

ARTEFACTS = ("causal_lm", "classifier", "encoder")


class Settings(BaseModel):
    """Base of a method's own settings (``train.options`` in the config); as it stands: there are none."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def get_method(name: str) -> ModuleType:
    """The plug-in. Raises GaslampError with the nearest names when there is none."""
    return registry.get("methods", name)


def get_preset(name: str, adapter: str = "lora", backend: str = "cpu") -> dict[str, Any]:
    """Value of each train setting that the config leaves null, for a method trained with or without an adapter, on a backend."""
    method = get_method(name)
    gpu = getattr(method, "GPU_PRESET", {}) if backend in GPU_BACKENDS else {}
    full = getattr(method, "FULL_PRESET", {}) if adapter == "none" else {}
    return {**COMMON_PRESET, **method.PRESET, **gpu, **full}


def get_adapters(name: str) -> tuple[str, ...]:
    """What ``train.adapter`` may be for a method: ``none`` (full fine-tuning) only where it says so."""
    return tuple(getattr(get_method(name), "ADAPTERS", ("lora",)))


def is_packing_allowed(name: str) -> bool:
    """Whether the method can put several rows into one sequence (``train.packing``)."""
    return bool(getattr(get_method(name), "PACKS", False))


def get_artefact(name: str) -> str:
    """What comes out: a ``causal_lm`` answers, a ``classifier`` gives a text one number, an ``encoder`` a vector."""
    return str(get_method(name).ARTEFACT)


def get_pooling(name: str) -> str | None:
    """How the vectors of a text's tokens become one, in llama.cpp's words (``POOLING``); ``None`` for what answers."""
    default = {"causal_lm": None, "classifier": "last", "encoder": "mean"}[get_artefact(name)]
    return getattr(get_method(name), "POOLING", default)


def get_evaluation_options(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Of ``train.options`` those that decide how the model is asked too (``EVALUATION_OPTIONS`` of the method), with their defaults."""
    wanted = getattr(get_method(name), "EVALUATION_OPTIONS", ())
    return {key: getattr(get_options(name, options), key) for key in wanted}


def is_multimodal(name: str) -> bool:
    """Whether the method trains a model that reads images (``MULTIMODAL``): its base must be one, and its eyes are a second GGUF file."""
    return bool(getattr(get_method(name), "MULTIMODAL", False))


def find_option_problems(name: str, options: dict[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    """What is wrong with ``train.options`` for a method: (path below options, message that teaches)."""
    model = get_method(name).Settings
    try:
        model.model_validate(options)
    except ValidationError as failure:
        return [(tuple(str(part) for part in error["loc"]), _explain(error, model, name)) for error in failure.errors()]
    return []


def get_options(name: str, options: dict[str, Any]) -> BaseModel:
    """``train.options`` as the method's Settings, with its defaults. Raises GaslampError with every problem."""
    if problems := find_option_problems(name, options):
        raise GaslampError("; ".join(message for _, message in problems), "correct train.options in config.yaml")
    result: BaseModel = get_method(name).Settings.model_validate(options)
    return result


def _explain(error: Any, model: type[BaseModel], name: str) -> str:
    path = [str(part) for part in error["loc"]]
    if error["type"] == "extra_forbidden":
        known = list(_get_section(model, path[:-1]).model_fields)
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
        hint = (
            f"did you mean '{near[0]}'?"
            if near
            else f"known: {', '.join(known)}"
            if known
            else "it has none of its own"
        )
        return f"the method {name} has no option '{path[-1]}'; {hint}"
    field_info = _get_section(model, path[:-1]).model_fields.get(path[-1]) if path else None
    message = str(error["msg"]).removeprefix("Value error, ")
    given = json.dumps(error.get("input"), default=str, ensure_ascii=False)[:80]
    teaches = f" ({field_info.description})" if field_info and field_info.description else ""
    return f"train.options.{'.'.join(path)} = {given}: {message[:1].lower()}{message[1:]}{teaches}"


def _get_section(model: type[BaseModel], path: list[str]) -> type[BaseModel]:
    for part in path:
        info = model.model_fields.get(part)
        candidates = [info.annotation, *get_args(info.annotation)] if info else []
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), model)
    return model
