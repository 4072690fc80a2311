"""The section ``deploy``: the server on this machine."""

from __future__ import annotations

from pydantic import Field

from gaslamp.config.sections.fields import Section


class Deploy(Section):
    """The section ``deploy``."""

    port: int = Field(8081, ge=1024, le=65535, description="First port tried on 127.0.0.1.")
    context: int = Field(4096, ge=256, le=1_048_576, description="Context window of the served model, in tokens.")
    level: str = Field("recommended", description="recommended (by the ladder), f16, or one of export.levels.")
    compare: bool = Field(
        True, description="The chat page also shows the base model's answer, next to the tuned one (make deploy)."
    )
