"""The section ``project``: what the model is for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gaslamp.config.sections.fields import Section


class Project(Section):
    """The section ``project``."""

    name: str = Field(
        "gaslamp", description="Short name, shown on pages and used as the alias of the served model.", min_length=1
    )
    task: str = Field("", description="What the model should do, in one sentence.")
    audience: str = Field("", description="Who uses the model; the demo page addresses them.")
    domain: Literal[
        "general", "support", "health", "finance", "legal", "education", "code", "math", "science", "security"
    ] = Field("general", description="Field of the audience: selects the colours and the tone of the demo page.")
