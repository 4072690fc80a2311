"""What the sections share: their base class, and the types of fields that YAML would read as something else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

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


Number = Annotated[float, BeforeValidator(_read_exponent)]
"""A float that may be written as ``2e-4``."""


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
