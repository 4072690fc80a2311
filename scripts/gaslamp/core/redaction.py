"""Text without what must not leave this machine: tokens, passwords, secret environment variables, the home folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

SECRETS = re.compile(
    r"\b(?:hf|sk|gh[a-z]|github_pat|glpat|xox[a-z])[_-][\w-]{8,}|(?<=Bearer )\S+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)|(?i:(?<=token=)|(?<=password=)|(?<=api_key=))[^\s&\"']+"
)
SECRET_NAMES = re.compile(r"TOKEN|SECRET|PASSWORD|_KEY$", re.IGNORECASE)


def redact(text: str) -> str:
    """``text`` without tokens, passwords, secret environment variables, and with ``~`` for the home folder."""
    for name, value in os.environ.items():
        if SECRET_NAMES.search(name) and len(value) >= 8:
            text = text.replace(value, "***")
    text = SECRETS.sub("***", text)
    home = str(Path.home())
    return text if home == "/" else re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text)
