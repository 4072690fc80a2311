"""The settings of a recipe from text, and whether a config takes them: of a file from elsewhere, or of a hint."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import yaml
from pydantic import ValidationError

from gaslamp.config.schema import Config
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject


def read_settings(text: str) -> JsonObject:
    """``train.batch_size: 1, train.lora.r: 8`` as a mapping.

    Raises:
        GaslampError: it is written otherwise.
    """
    try:
        found = yaml.safe_load(f"{{{text}}}")
    except yaml.YAMLError as error:
        raise GaslampError(
            f"settings {text[:80]!r} cannot be read", "write them as: train.batch_size: 1, train.lora.r: 8"
        ) from error
    return found if isinstance(found, dict) else {}


def check_values(settings: Mapping[str, object]) -> None:
    """Refuse settings that the config of a project would refuse: they come from a file or a command.

    Raises:
        GaslampError: naming each with what is wrong.
    """
    wrong = []
    for key, value in settings.items():
        path = tuple(key.split("."))
        nested: object = value
        for part in reversed(path):
            nested = {part: nested}
        if isinstance(value, float) and not math.isfinite(value):
            wrong.append(f"{key} = {value}: a number is needed")
            continue
        try:
            Config.model_validate(nested)
        except ValidationError as failure:
            wrong += [
                f"{key} = {json.dumps(value, ensure_ascii=False)}: {error['msg'].lower()}"
                for error in failure.errors()
                if error["loc"][: len(path)] == path
            ]
    if wrong:
        raise GaslampError(f"a recipe may not set {'; '.join(dict.fromkeys(wrong))}", "correct it, or leave it out")
