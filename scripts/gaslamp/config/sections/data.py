"""The section ``data``: the training data, its splits and checks."""

from __future__ import annotations

import codecs
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from gaslamp.config.sections.fields import Number, Section, read_off
from gaslamp.config.sections.generate import Generate
from gaslamp.core import registry


class Split(Section):
    """The section ``data.split``: how rows are divided into training, validation and test rows."""

    valid: Number = Field(0.05, ge=0, le=0.5, description="Share of rows for the validation loss.")
    test: Number = Field(0.15, gt=0, le=0.5, description="Share of rows that only the evaluation uses.")
    seed: int = Field(
        3407,
        ge=0,
        description="Selects which rows go into which split; a row stays in its split when others are added.",
    )
    max_test: int = Field(
        200, ge=10, description="More test rows than this are left out: 200 give an interval of about 4 points."
    )


class CheckSettings(Section):
    """Settings of one data check."""

    severity: Annotated[Literal["block", "warn", "off"] | None, BeforeValidator(read_off)] = Field(
        None,
        description="block: stops the run; warn: only warns; off: the check is skipped; null: the check's default.",
    )
    max_percentage: Number | None = Field(
        None,
        ge=0,
        le=100,
        description="Up to this many findings in 100 rows a blocking check only warns; null: the check's default.",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Options of this check; its file lists them.")


class Speech(Section):
    """How recordings become tokens, for the method tts."""

    codec: str | None = Field(
        None,
        description="Converts recordings to tokens and back: a folder or hub id of the DAC or Mimi model that the "
        "base model was trained with.",
    )
    tokens: str = Field(
        "<|c{book}_{code}|>",
        description="The base model's token for a code: {book} from 1 and {code} from 0, or "
        "{number} = first + (book - 1) * size + code.",
    )
    codebooks: int | None = Field(
        None, ge=1, le=64, description="How many code books of the codec are used, coarsest first; null: all."
    )
    first: int = Field(0, ge=0, description="Number of the first code, when tokens contains {number}.")

    @field_validator("tokens")
    @classmethod
    def _tokens_have_placeholders(cls, value: str) -> str:
        names = set(re.findall(r"{(\w*)}", value))
        if names not in ({"book", "code"}, {"number"}):
            raise ValueError(
                f"'{value}' must contain {{book}} and {{code}}, or {{number}}: otherwise the token of a code is "
                f"undefined"
            )
        return value


class Data(Section):
    """The section ``data``."""

    source: str = Field(
        "embedded:orders_json",
        description="A file, a folder of files, an archive, a saved data set, a hub id (org/name), or embedded:NAME; "
        "behind #: a sheet, or a file of an archive.",
        min_length=1,
    )
    sql: str | None = Field(
        None,
        description=(
            "A DuckDB query over the table `source`, e.g. SELECT question, answer FROM source WHERE lang = 'en'."
        ),
    )
    subset: str | None = Field(None, description="Subset (configuration) of a hub data set.")
    hub_split: str | None = Field(
        None,
        description=(
            "Split of a hub data set, e.g. train[:5000]; null: all of them, used as they are when one is a test split."
        ),
    )
    revision: str | None = Field(
        None, description="Commit or tag of a hub data set; null: main, and the commit that was found is recorded."
    )
    format: str = Field(
        "auto", description="A name from scripts/gaslamp/data/formats; auto: detected from the columns."
    )
    columns: dict[str, str | list[str]] = Field(
        default_factory=dict,
        description=(
            "Your column for each role, e.g. {prompt: question, completion: answer}; prompt may be a list of columns."
        ),
    )
    meaning: str | int = Field(
        "auto",
        description=(
            "What the columns mean, where they leave it open: number or key of a reading that `make data` printed."
        ),
    )
    system: str | None = Field(None, description="System prompt for every row that has none of its own.")
    system_as_user: bool = Field(
        False,
        description="Put the system prompt of a row into its first user turn, for models whose chat template takes no "
        "system turn.",
    )
    sheet: str | None = Field(
        None, description="The sheet of a workbook, or the list of a JSON object, that holds the rows."
    )
    header: bool | None = Field(
        None, description="Whether the first row of a table holds the column names; null: detected by its cells."
    )
    encoding: str | None = Field(
        None, description="Encoding of text files, e.g. cp1252; null: detected by their bytes."
    )
    split: Split = Field(default_factory=Split, description="How rows are divided.")  # type: ignore[arg-type]
    rehearsal: float = Field(
        0.05,
        ge=0,
        le=1,
        description="General chat data mixed into the training rows, as a share of them (40 rows at most): reduces "
        "forgetting. 0: none.",
    )
    slice: str = Field(
        "slice", description="Column whose values are scored separately in the evaluation, if it exists."
    )
    max_truncated: Number = Field(
        0.0, ge=0, le=1, description="Share of rows that may be longer than train.max_length before the run stops."
    )
    redact: bool = Field(
        False,
        description="Replace what the checks personal_data and secrets find by [EMAIL], [PHONE], [API KEY] ...",
    )
    group: str = Field("group", description="Column whose equal values stay in one split, if it exists.")
    checks: dict[str, CheckSettings] = Field(
        default_factory=dict,
        description="A name from scripts/gaslamp/data/checks -> severity, max_percentage, options.",
    )
    labelled: str | None = Field(
        "data/raw/gaslamp-labels.jsonl",
        description="Rows written or corrected with `make label`, used when the file exists; null: not used.",
    )
    generate: Generate = Field(  # type: ignore[arg-type]
        default_factory=Generate,
        description="Rows that a language model writes; as data.source: data/generated/rows.jsonl, else for training "
        "alone.",
    )
    part: str = Field(
        "",
        max_length=64,
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$",
        description="Folder in data/ with the rows of this run, where it was a point of a sweep with rows of its own "
        "and was taken over (make adopt). Empty: data/ itself.",
    )
    speech: Speech = Field(default_factory=Speech, description="Recordings, for the method tts.")  # type: ignore[arg-type]

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                codecs.lookup(value)
            except LookupError as error:
                raise ValueError(
                    f"there is no encoding {value}; common ones: utf-8, cp1252, cp1251, gb18030"
                ) from error
        return value

    @field_validator("checks")
    @classmethod
    def _checks_exist(cls, value: dict[str, CheckSettings]) -> dict[str, CheckSettings]:
        if problems := [problem for name in value if (problem := registry.find_name_problem("checks", name))]:
            raise ValueError("; ".join(problems))
        return value
