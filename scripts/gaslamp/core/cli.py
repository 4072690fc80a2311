"""What the command lines of the scripts share, so that each script shows only what is its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gaslamp.core.json_form import OPTION, is_wanted, put_error


class Parser(argparse.ArgumentParser):
    """A parser whose errors are JSON too when the command line asks for it."""

    def error(self, message: str) -> NoReturn:
        """End the process with exit code 2, as argparse does."""
        if is_wanted(sys.argv[1:]):
            put_error(message, [f"{self.prog} --help lists the options"])
        super().error(message)


def get_parser(doc: str | None, has_json: bool = False) -> argparse.ArgumentParser:
    """A parser whose ``--help`` begins with the script's docstring.

    Args:
        doc: of the script.
        has_json: the script has a JSON form (``add_json``).
    """
    parser = Parser(description=doc)
    if has_json:
        add_json(parser)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``; what ``core.document.put_document`` gets is then all that the standard output gets."""
    parser.add_argument(OPTION, action="store_true", help="one JSON document, for programs")


def add_paths(parser: argparse.ArgumentParser, **paths: str) -> None:
    """Add one required option for a file or folder per keyword.

    Args:
        parser: receives the options.
        paths: name of the option (``side_by_side`` is ``--side-by-side``) and its help text.
    """
    for name, text in paths.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True, help=text)


def add_optional_paths(parser: argparse.ArgumentParser, **paths: str) -> None:
    """The same for files that may be left out: their value is ``None`` then."""
    for name, text in paths.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, help=text)


def add_path_lists(parser: argparse.ArgumentParser, **paths: str) -> None:
    """Add one required option for one or more files per keyword; the value is the help text."""
    for name, text in paths.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, nargs="+", required=True, help=text)


def add_log(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """Add ``--log``, the file for everything that libraries and other programs print; its name is the step's name."""
    parser.add_argument("--log", type=Path, required=required, help="file for all output but the progress lines")


def split_command(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The script's own arguments, and the command after the first ``--``, which may have options of its own."""
    parts = list(arguments)
    end = parts.index("--") if "--" in parts else len(parts)
    return parts[:end], parts[end + 1 :]
