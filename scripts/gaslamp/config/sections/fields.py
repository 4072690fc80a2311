"""What the sections share: their base class, and the types of fields that YAML would read as something else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from gaslamp.core import registry


class Section(BaseModel):
    """A part of the config. Unknown keys are errors, and no value is converted to another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _read_exponent(value: object) -> object:
    """``2e-4`` as a number: YAML 1.1 wants ``2.0e-4`` and reads anything shorter as text."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", value) else value


def read_off(value: object) -> object:
    """A bare ``off``, which YAML 1.1 reads as false."""
    return "off" if value is False else value


SHORTEST, LONGEST = 8, 1_048_576
"""Tokens that ``train.max_length`` may name."""


def _check_length(value: object) -> object:
    """A number of tokens or ``auto``: one message, where a union would give one for each of its types."""
    if value is None or value == "auto":
        return value
    if isinstance(value, int) and not isinstance(value, bool) and SHORTEST <= value <= LONGEST:
        return value
    raise ValueError(f"auto, or a whole number of tokens from {SHORTEST} to {LONGEST}")


Length = Annotated[
    Annotated[int, Field(ge=SHORTEST, le=LONGEST)] | Literal["auto"] | None, BeforeValidator(_check_length)
]
"""Tokens of a row, or ``auto``."""
Number = Annotated[float, BeforeValidator(_read_exponent)]
"""A float that may be written as ``2e-4``."""


def read_auto(value: object) -> object:
    """``auto``, which means the same as null: a preset decides."""
    return None if value == "auto" else value


def check_name(kind: str) -> Callable[[str], str]:
    """A validator: the value is the name of a plug-in of ``kind``."""

    def check(name: str) -> str:
        if problem := registry.find_name_problem(kind, name):
            raise ValueError(problem)
        return name

    return check


Backend = Annotated[
    str,
    AfterValidator(check_name("backends")),
    WithJsonSchema({"type": "string", "enum": registry.get_library_names("backends")}),
]
"""The name of a backend."""

Method = Annotated[str, AfterValidator(check_name("methods"))]
"""The name of a training method."""
