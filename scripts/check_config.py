"""Check config.yaml: every problem with its line, broken YAML too (which Snakemake reports without a line)."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, read_merged
from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help


def main() -> None:
    parser = get_parser(__doc__)
    add_config_argument(parser)
    read_merged(parser.parse_args().config)


if __name__ == "__main__":
    exit_with_help(main)
