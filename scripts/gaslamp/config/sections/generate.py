"""The section ``data.generate``: rows that a language model writes, where there are none or too few."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from gaslamp.config.sections.endpoint import Endpoint
from gaslamp.config.sections.fields import Number, Section

STYLES = [
    "short and plain, as a busy person writes",
    "detailed, with realistic names, numbers and dates",
    "informal, with a small spelling mistake or two",
    "formal and polite",
    "an unusual or difficult case that a beginner would get wrong",
    "a case in which something is missing or unclear",
]


class Judge(Section):
    """The section ``data.generate.judge``."""

    endpoint: Endpoint = Field(  # type: ignore[arg-type]
        default_factory=Endpoint, description="Server of the judge; empty: the one that generates."
    )
    threshold: Number | None = Field(
        7.0, ge=0, le=10, description="Lowest score, from 0 to 10, that passes; null: no judge."
    )
    rubric: str = Field(
        "The answer is correct, complete, in the right form, and what the task wants. The question is realistic.",
        description="What the judge scores, in a sentence or two.",
    )


class Limits(Section):
    """The section ``data.generate.limits``."""

    requests: int = Field(1000, ge=1, description="Most requests to both servers together, kept answers included.")
    tokens: int | None = Field(None, ge=1, description="Most tokens, read and written; null: no limit.")
    cost: Number | None = Field(
        None, gt=0, description="Most that it may cost, by data.generate.price; null: no limit."
    )


class Price(Section):
    """The section ``data.generate.price``, in US dollars for a million tokens."""

    input: Number = Field(0.0, ge=0, description="For a million tokens that the model reads.")
    output: Number = Field(0.0, ge=0, description="For a million tokens that it writes.")


class Generate(Section):
    """The section ``data.generate``."""

    rows: int = Field(0, ge=0, le=1_000_000, description="How many rows should pass; 0: none are generated.")
    endpoint: Endpoint = Field(  # type: ignore[arg-type]
        default_factory=Endpoint, description="Server of the model that writes the rows."
    )
    licence: str = Field(
        "",
        description="What the terms of that model say of its output, such as apache-2.0 or own use; recorded with "
        "every row.",
    )
    seeds: str | None = Field(None, description="File with a few rows of your own, as examples.")
    documents: str | None = Field(None, description="File or folder whose texts the rows are about.")
    examples: int = Field(3, ge=0, le=20, description="How many of the seeds each request shows.")
    styles: list[str] = Field(
        default_factory=lambda: list(STYLES), min_length=1, description="Instructions that the requests take in turn."
    )
    temperatures: list[Number] = Field(
        default_factory=lambda: [0.7, 1.0], min_length=1, description="Temperatures that they take in turn, 0 to 2."
    )
    max_tokens: int = Field(512, ge=16, le=32768, description="Longest reply, in tokens.")
    answer: dict[str, Any] | None = Field(
        None,
        description="JSON schema of the answers, e.g. {enum: [billing, delivery, other]}; null: any text.",
    )
    similarity: Number = Field(
        0.85, gt=0, le=1, description="Rows that are as similar as this to an earlier row or a seed are rejected."
    )
    judge: Judge = Field(default_factory=Judge, description="A model that scores each row.")  # type: ignore[arg-type]
    limits: Limits = Field(default_factory=Limits, description="Where the generation stops.")  # type: ignore[arg-type]
    price: Price = Field(default_factory=Price, description="Prices of the server.")  # type: ignore[arg-type]
    review: bool = Field(
        True, description="Only rows that a person has seen (make review) are learnt; false: unseen ones too."
    )
    parallel: int = Field(4, ge=1, le=64, description="Requests at a time.")
    seed: int = Field(3407, ge=0, description="Seed of the requests; another one gets other rows.")

    @field_validator("temperatures")
    @classmethod
    def _are_temperatures(cls, value: list[float]) -> list[float]:
        if wrong := [one for one in value if not 0 <= one <= 2]:
            raise ValueError(f"{wrong[0]:g} is no temperature: 0 to 2")
        return value
