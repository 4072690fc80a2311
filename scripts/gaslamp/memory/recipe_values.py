"""Whether the settings of a recipe are ones that a config takes: of a file from elsewhere, or of a hint."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from pydantic import ValidationError

from gaslamp.config.schema import Config
from gaslamp.core.errors import GaslampError


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
