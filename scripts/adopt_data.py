"""Take up a file in data/raw: set data.source, and the method that fits its columns, in config.yaml."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help
from gaslamp.data.adopt import adopt


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--project", type=Path, default=Path(), help="default: the working directory")
    for sentence in adopt(parser.parse_args().project):
        print(sentence)


if __name__ == "__main__":
    exit_with_help(main)
