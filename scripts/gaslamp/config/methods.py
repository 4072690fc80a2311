"""What the config asks of a method plug-in: its options, its preset, what comes out of it.

A method (``train/methods/<name>.py``) is one way to learn from rows; it is found by name through the registry. What a
method gets from a training, and what it returns, is in ``train/``. Imports nothing heavy: the config is checked with
it.
"""

from __future__ import annotations

import json
from types import ModuleType

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from gaslamp.config.preset_layers import BILLION, fill_preset, get_layers
from gaslamp.config.suggest import find_section
from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject
from gaslamp.core.nearest import get_nearest

ARTEFACTS = ("causal_lm", "classifier", "encoder")
"""What a method may train."""


class Settings(BaseModel):
    """Base class of a method's own settings (``train.options`` in the config); this one has none."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @property
    def room(self) -> int:
        """Tokens that a row needs within ``train.max_length`` besides its own; none where nothing is sampled."""
        return 0


def get_method(name: str) -> ModuleType:
    """The plug-in of a method.

    Raises:
        GaslampError: there is none; the nearest name is suggested.
    """
    return registry.get("methods", name)


def get_preset(name: str, adapter: str = "lora", parameters: int = 0) -> JsonObject:
    """The value of each ``train`` setting that the config leaves open.

    Args:
        name: of the method.
        adapter: ``train.adapter``; the method may have another preset for full fine-tuning.
        parameters: of the base model; the method may have another preset for larger models.
    """
    return fill_preset(get_method(name), adapter, parameters)


def get_sized_keys(name: str, adapter: str = "lora") -> set[str]:
    """The ``train`` settings whose preset depends on the size of the base model."""
    return {
        key for _, by_size in get_layers(get_method(name), adapter) for values in by_size.values() for key in values
    }


def get_size_range(name: str, adapter: str, parameters: int) -> tuple[float | None, float | None]:
    """The range of sizes, in billions of parameters, that shares the preset of a model of ``parameters``.

    ``None`` where the range is open.
    """
    bounds = sorted({bound for _, by_size in get_layers(get_method(name), adapter) for bound in by_size})
    size = parameters / BILLION
    return (
        max((bound for bound in bounds if bound <= size), default=None),
        min((bound for bound in bounds if bound > size), default=None),
    )


def get_adapters(name: str) -> tuple[str, ...]:
    """What ``train.adapter`` may be for a method: ``lora``,
    and ``none`` (full fine-tuning) only where its ADAPTERS say so.
    """
    return tuple(getattr(get_method(name), "ADAPTERS", ("lora",)))


def is_packing_allowed(name: str) -> bool:
    """Whether the method can train several rows in one sequence (``train.packing``)."""
    return bool(getattr(get_method(name), "PACKS", False))


def get_artefact(name: str) -> str:
    """What the training makes: a ``causal_lm`` writes text, a ``classifier`` gives a text one score,
    an ``encoder`` a vector.
    """
    return str(get_method(name).ARTEFACT)


def get_pooling(name: str) -> str | None:
    """How token vectors become one vector, by llama.cpp's names (``POOLING`` of the method);
    ``None`` for a ``causal_lm``.
    """
    default = {"causal_lm": None, "classifier": "last", "encoder": "mean"}[get_artefact(name)]
    return getattr(get_method(name), "POOLING", default)


def get_evaluation_options(name: str, options: JsonObject) -> JsonObject:
    """Those of ``train.options`` that the evaluation needs too (``EVALUATION_OPTIONS`` of the method),
    with their defaults.
    """
    wanted = getattr(get_method(name), "EVALUATION_OPTIONS", ())
    return {key: getattr(get_options(name, options), key) for key in wanted}


def is_multimodal(name: str) -> bool:
    """Whether the method trains a vision model (``MULTIMODAL``): the base must be one,
    and the export adds an mmproj file.
    """
    return bool(getattr(get_method(name), "MULTIMODAL", False))


def find_option_problems(name: str, options: JsonObject) -> list[tuple[tuple[str, ...], str]]:
    """What is wrong with ``train.options`` for a method: (path below options, message)."""
    model = get_method(name).Settings
    try:
        model.model_validate(options)
    except ValidationError as failure:
        return [(tuple(str(part) for part in error["loc"]), _explain(error, model, name)) for error in failure.errors()]
    return []


def get_options(name: str, options: JsonObject) -> BaseModel:
    """``train.options`` as the method's Settings, with its defaults.

    Raises:
        GaslampError: lists every problem.
    """
    if problems := find_option_problems(name, options):
        raise GaslampError("; ".join(message for _, message in problems), "correct train.options in config.yaml")
    result: BaseModel = get_method(name).Settings.model_validate(options)
    return result


def _explain(error: ErrorDetails, model: type[BaseModel], name: str) -> str:
    """One problem with the options of the method ``name``."""
    path = error["loc"]
    if error["type"] == "extra_forbidden":
        section = find_section(model, path[:-1])
        known = list(section.model_fields) if section else []
        near = get_nearest(str(path[-1]), known)
        hint = f"known: {', '.join(known)}" if known else "it has none of its own"
        hint = f"did you mean '{near}'?" if near else hint
        return f"the method {name} has no option '{path[-1]}'; {hint}"
    section = find_section(model, path[:-1]) if path else None
    field = section.model_fields.get(str(path[-1])) if section else None
    message = error["msg"].removeprefix("Value error, ")
    given = json.dumps(error.get("input"), default=str, ensure_ascii=False)[:80]
    description = f" ({field.description})" if field and field.description else ""
    return f"train.options.{'.'.join(map(str, path))} = {given}: {message[:1].lower()}{message[1:]}{description}"
