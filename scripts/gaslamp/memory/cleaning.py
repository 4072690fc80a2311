"""What never enters the memory: secrets, e-mail addresses and other personal data, paths of a person's files."""

from __future__ import annotations

import re

from gaslamp.core.redaction import redact
from gaslamp.data.privacy import redact as redact_personal

# an absolute path or one below the home folder, on Unix and Windows; no part of a web address or of a fraction
_PATH = re.compile(
    r"""(?<![\w.:/~\\\]>-])(?:file:/{2,3}|~[\w.-]*/|/(?=[^\s/'"`]*[A-Za-z_.])|[A-Za-z]:[\\/]|\\\\\w)"""
    r"""(?:[^\s'"`,;:()<>]|[ ](?=[^\s/]*/))*"""
)


def clean(text: str) -> str:
    """``text`` with ``[EMAIL]``, ``[API KEY]``, ``***`` and ``[path]`` where something personal or secret stood."""
    return _PATH.sub("[path]", redact_personal(redact(text)))


def clean_value(value: object) -> object:
    """A value of JSON with every text in it cleaned; keys are ours and stay."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_value(item) for item in value]
    if isinstance(value, dict):
        return {key: clean_value(item) for key, item in value.items()}
    return value
