"""The JSON documents that commands answer programs with (``--json``): versioned, described, one for each command."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict

from gaslamp.core import json_form
from gaslamp.core.errors import GaslampError


class Document(BaseModel):
    """What a command says as JSON. Paths are relative to the project's folder.

    ``schema_version`` rises when a field changes its meaning or goes; a program must take fields that it does not know.
    """

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="null")
    schema_version: int = json_form.VERSION


class Part(BaseModel):
    """Something inside a document."""

    model_config = ConfigDict(extra="forbid")


class ErrorDocument(Document):
    """In place of its document, what a command says when it fails; the exit code is not 0."""

    error: str  # the cause
    fixes: list[str]  # the usual one first
    where: str | None = None  # file with line or row, or config key, that the cause names first

    @classmethod
    def make(cls, error: GaslampError) -> Self:
        """Of an error that a description holds next to what could be found out."""
        fixes = [fix for fix in (error.fix, error.less_likely) if fix]
        return cls(error=error.cause, fixes=fixes, where=json_form.find_place(error.cause))


class DoneDocument(Document):
    """What a command did, as the sentences that it prints."""

    done: list[str]


def put_document(document: Document) -> None:
    """Write the one document of a command."""
    json_form.put(document.model_dump_json(indent=2))
