"""The `--json` form of a command: one JSON document on the standard output, everything else on the standard error.

Standard library only: an interpreter without gaslamp's packages reports that as JSON too.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from typing import TextIO

OPTION = "--json"
VERSION = 1
_FILES = "yaml|yml|json|jsonl|csv|tsv|txt|md|log|parquet|arrow|xlsx|xls|ods|zip|gz|py|smk|gguf|safetensors|html|pdf"
_SECTIONS = "data|train|eval|export|model|deploy|dashboard|demo|project|reflect|remote|stages|report"
_PLACE = re.compile(
    rf"(?<![\w.])(?:[\w~./+-]*[\w+-]\.(?:{_FILES})\b|(?:{_SECTIONS})\.[a-z_]+(?:\.[a-z_]+)*)"
    r"(?:(?:, (?:line|row) |:)\d+)?"
)
_channel: TextIO | None = None


def is_wanted(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for the JSON form."""
    return OPTION in arguments


def open_channel() -> None:
    """Prints go to the standard error from now on, of other programs too; ``put`` alone writes the output."""
    global _channel
    sys.stdout.flush()
    _channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr


def put(text: str) -> None:
    """Write the document of a command; what is no text (NaN, half a character) was refused or replaced before."""
    channel = _channel or sys.stdout
    channel.write(text + "\n")
    channel.flush()


def put_error(cause: str, fixes: Sequence[str | None], where: str | None = None) -> None:
    """Write why a command has no document: ``error``, ``fixes`` (the usual one first) and ``where``."""
    facts = {"schema_version": VERSION, "error": cause, "fixes": [fix for fix in fixes if fix], "where": where}
    put(json.dumps(facts, ensure_ascii=False, indent=2))


def find_place(cause: str) -> str | None:
    """What an error names first: a file, with its line or row, or a config key; ``None`` when it names none."""
    found = _PLACE.search(cause)
    return found[0] if found else None
