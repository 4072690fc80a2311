"""Paths as they work where the user stands: `make run` in the repository prints ``projects/<name>/outputs/...``.

The repository's Makefile runs a project's Makefile in the project's folder and says in GASLAMP_PREFIX how that folder
is called from where the command was typed. What goes to the terminal is localized; files keep paths relative to the
project.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, TextIO

PREFIX = "GASLAMP_PREFIX"  # such as projects/cafe_2026_11_30/
PROJECT = "GASLAMP_PROJECT"  # what PROJECT=... said, when the command did not act on the newest project

_FOLDERS = "outputs|data|logs|demos|checkpoints|resources|profiles|rules|scripts|tasks|workflow|docs"
_FILES = "config|gaslamp|project_brief|progress_log|memory|data_strategy"
_PATH = re.compile(rf"(?<![\w./~<>-])(?:(?:{_FOLDERS})/[\w.*<{{][\w./*<>{{}}-]*|(?:{_FILES})\.(?:yaml|md)\b)", re.ASCII)
_TARGETS = (
    "run|data|data-describe|push|deploy|serve|chat|chat-eval|stop|dashboard|watch|status|replay|upgrade|reconfigure|"
    "doctor"
)
_COMMAND = re.compile(rf"(?<![\w-])make ({_TARGETS})(?![\w-]| PROJECT=)")


def localize(text: str) -> str:
    """``text`` with every path of the project as it works where the command was typed.

    Commands get PROJECT=... when the user named the project that way. A path of a folder that the project does not
    have is left as it is.
    """
    prefix = os.environ.get(PREFIX, "")
    if not prefix:
        return text

    def add_prefix(match: re.Match[str]) -> str:
        return f"{prefix}{match[0]}" if Path(match[0].split("/")[0]).exists() else match[0]

    text = _PATH.sub(add_prefix, text)
    project = os.environ.get(PROJECT)
    return _COMMAND.sub(rf"make \1 PROJECT={project}", text) if project else text


def get_data_folder(run: str, root: Path = Path()) -> Path:
    """Where the rows of a run are: ``data``, or a folder in it for a point of a sweep that has rows of its own.

    Its train.json says which rows it learnt; before that it is ``data``.

    Args:
        run: its name.
        root: the project folder.
    """
    facts = root / "outputs" / run / "train.json"
    known = json.loads(facts.read_text(encoding="utf-8")) if facts.is_file() else {}
    for name in (known.get("provenance") or {}).get("inputs") or {}:
        parts = Path(name).parts
        if parts[0] == "data" and parts[-1] == "train.jsonl":
            return root / Path(name).parent
    return root / "data"


class LocalizedStream:
    """A text stream (``sys.stdout``) whose lines are localized."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write ``text`` with localized paths; return the number of characters given."""
        self.stream.write(localize(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def unwrap(stream: TextIO) -> TextIO:
    """The stream itself, for what does not go to the terminal."""
    return stream.stream if isinstance(stream, LocalizedStream) else stream
