"""The section ``export``: merged model, GGUF levels, parity check, hub."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, field_validator

from gaslamp.config import levels
from gaslamp.config.sections.fields import Number, Section
from gaslamp.core import registry
from gaslamp.core.nearest import get_hint

LEVELS = [name for name in levels.ALL if name != "f16"]
"""The levels to choose from; f16 is always made."""


def _check_level(value: str) -> str:
    if value == "f16":
        raise ValueError("f16 is always made: leave it out")
    if value not in LEVELS:
        raise ValueError(f"there is no such level; {get_hint(value, LEVELS)}")
    return value


Level = Annotated[str, AfterValidator(_check_level), WithJsonSchema({"type": "string", "enum": LEVELS})]
"""One of llama-quantize's names."""


class Hub(Section):
    """The section ``export.hub``."""

    repo: str | None = Field(
        None, description="Target of `make push`: owner/name; null: nowhere.", pattern=r"^[\w.-]+/[\w.-]+$"
    )
    private: bool = Field(True, description="Only you can see the repository.")
    files: list[Literal["adapter", "merged", "gguf", "lora_gguf"]] = Field(
        default=["adapter", "gguf"],
        description="What is pushed; gguf: the recommended level and its Modelfile.",
        min_length=1,
    )


class Export(Section):
    """The section ``export``."""

    formats: list[str] = Field(
        default=["gguf", "ollama"],
        description="Names from scripts/gaslamp/export/exporters: what is made in addition to the merged model; "
        "without a format that is a GGUF file the run ends with the merged model.",
        min_length=1,
    )
    levels: list[Level] = Field(
        default=["q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m"],
        description="GGUF levels to make in addition to f16, by llama-quantize's names.",
        min_length=1,
    )
    ladder_rows: int | None = Field(
        60,
        ge=10,
        description="Test rows that each level is evaluated on; null: all. More rows: narrower intervals, more time.",
    )
    imatrix: Literal["auto", "always", "never"] = Field(
        "auto",
        description="An importance matrix for quantization; auto: for the levels that need one (iq1, iq2, iq3_xs, "
        "iq3_xxs, q2_k).",
    )
    calibration: str | None = Field(
        None, description="Text file for the importance matrix; null: training rows.", min_length=1
    )
    keep_intermediates: bool = Field(
        True, description="false: the merged model and f16 are deleted once everything made from them is complete."
    )
    tolerance: Number = Field(
        0.05,
        ge=0,
        le=1,
        description="Score that a level may lose against f16 and still be recommended (0.05: 5 points).",
    )
    parity: Literal["block", "warn"] = Field(
        "block", description="block: a model that differs from the evaluated one is not shipped."
    )
    parity_prompts: int = Field(
        16, ge=4, le=200, description="Test rows that the parity check sends through every artefact."
    )
    hub: Hub = Field(default_factory=Hub, description="The model hub.")  # type: ignore[arg-type]

    @field_validator("formats")
    @classmethod
    def _formats_exist(cls, value: list[str]) -> list[str]:
        known = registry.names("exporters")
        if unknown := [name for name in value if name not in known]:
            raise ValueError("; ".join(f"there is no format '{name}'; {get_hint(name, known)}" for name in unknown))
        return list(dict.fromkeys(value))
