"""Check config.yaml: every problem with its line, broken YAML too (which Snakemake reports without a line)."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.load import read_config
from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--file", type=Path, default=Path("config.yaml"), help="default: config.yaml")
    read_config(parser.parse_args().file)


if __name__ == "__main__":
    exit_with_help(main)
