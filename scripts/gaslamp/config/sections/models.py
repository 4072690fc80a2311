"""The section ``model``: the base model."""

from __future__ import annotations

from pydantic import Field

from gaslamp.config.sections.fields import Section


class Model(Section):
    """The section ``model``."""

    source: str = Field(
        "embedded:smollm2-135m-instruct",
        description="embedded:NAME, a folder with a Hugging Face checkpoint, or a hub id such as org/name.",
        min_length=1,
    )
    revision: str | None = Field(
        None, description="Commit or tag of a hub id; null: main, and the commit that was found is recorded."
    )
    adapter: str | None = Field(
        None,
        description="Start from what was trained before on model.source: outputs/<run> of a gaslamp project, or a "
        "folder with a PEFT adapter. It is merged before anything else.",
        min_length=1,
    )
