"""The section ``stages``: several trainings, one after the other, in one project."""

from __future__ import annotations

from pydantic import Field

from gaslamp.config.sections.data import Data
from gaslamp.config.sections.evaluate import Eval
from gaslamp.config.sections.fields import Method, Section
from gaslamp.config.sections.train import Train


class Stage(Section):
    """One stage. A key that it does not have is that of the top level."""

    name: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_]*$",
        max_length=60,
        description="Names its folders data/<name> and outputs/<name>; the last stage has data and outputs/<run>.",
    )
    method: Method | None = Field(None, description="A name from scripts/gaslamp/train/methods.")
    data: Data | None = Field(None, description="Keys of data that differ in this stage.")
    train: Train | None = Field(None, description="Keys of train that differ in this stage.")
    eval: Eval | None = Field(None, description="Keys of eval that differ in this stage.")
