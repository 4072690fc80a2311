"""What the command lines of the scripts share, so that each script shows only what is its own."""

from __future__ import annotations

import argparse
from pathlib import Path


def get_parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose ``--help`` begins with the script's docstring."""
    return argparse.ArgumentParser(description=doc)


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
