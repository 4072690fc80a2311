"""The section ``plan``: what ``make plan`` cannot find out."""

from __future__ import annotations

from pydantic import Field

from gaslamp.config.sections.fields import Section


class Plan(Section):
    """The section ``plan``."""

    price_per_hour: float | None = Field(
        None,
        description="US dollars for an hour of the machine that trains (make plan); null: it is yours.",
        ge=0,
    )
