"""The sections ``demo`` and ``dashboard``: the pages of a run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from gaslamp.config.sections.fields import Section
from gaslamp.core.nearest import get_hint
from gaslamp.core.registry import LIBRARY

LANGUAGES = LIBRARY / "report" / "demo" / "languages"
"""One file for each language of the demo page."""


class Demo(Section):
    """The section ``demo``."""

    theme: Literal["auto", "crisp", "dark"] = Field("auto", description="auto: by project.domain.")
    title: str | None = Field(None, description="Headline; null: computed from the result.")
    examples: int = Field(6, ge=1, le=50, description="How many pairs of answers are shown.")
    language: str = Field(
        "en",
        description="Language of the page: en, zh-Hans, zh-Hant, ja, de, es, or another file in "
        "scripts/gaslamp/report/demo/languages.",
    )
    style: str | None = Field(
        None, description="Your own style: a .css file that is loaded last, or a DESIGN.md that names colours."
    )

    @field_validator("language")
    @classmethod
    def _language_exists(cls, value: str) -> str:
        known = sorted(file.stem for file in LANGUAGES.glob("*.yaml"))
        if value not in known:
            raise ValueError(f"there is no language '{value}'; {get_hint(value, known)}")
        return value


class Dashboard(Section):
    """The section ``dashboard``."""

    open: Literal["auto", "never"] = Field(
        "auto", description="auto: the browser opens the page when a run starts in an interactive terminal."
    )
    port: int = Field(8080, ge=1024, le=65535, description="First port tried on 127.0.0.1.")
