"""The section ``reflect``: what is remembered between projects."""

from __future__ import annotations

from pydantic import Field

from gaslamp.config.sections.endpoint import Endpoint
from gaslamp.config.sections.fields import Section


class Reflect(Section):
    """The section ``reflect``."""

    write: bool = Field(True, description="Write the lessons of a run to GASLAMP_HOME (default: ~/.gaslamp).")
    llm: Endpoint = Field(  # type: ignore[arg-type]
        default_factory=Endpoint,
        description="Server of a model that may word the lessons; its numbers and names are checked. Empty: off.",
    )
