"""Why a value was recommended in the interview, for the pages of a run: as long as it is still the value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gaslamp.config.edit import CHOSEN, get_value
from gaslamp.config.pin import RECORD
from gaslamp.core.files import read_json


def read_reasons(project: Path, values: Mapping[str, object]) -> dict[str, str]:
    """Key of config.yaml (``model.source``) -> why it has its value.

    Keys that were changed since, and those that a person set without a further reason, are left out.

    Args:
        project: its folder; one without a plan (made by an earlier version) gives none.
        values: the config of the run, as plain values.
    """
    file = project / RECORD
    plan = read_json(file).get("plan") if file.is_file() else None
    found = {}
    for line in (plan or {}).get("lines", []):
        for key, value in list(line["settings"].items())[:1]:
            if get_value(values, key) == value and line["reason"] != CHOSEN:
                found[key] = line["reason"]
    return found
