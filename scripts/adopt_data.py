"""Take up a file in data/raw: set data.source, and the method that fits its columns, in config.yaml.

At a terminal it asks what the columns mean when they can mean several things.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help
from gaslamp.data.adopt import adopt, adopt_generated


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--project", type=Path, default=Path(), help="default: the working directory")
    parser.add_argument("--generated", action="store_true", help="the data is what data.generate writes")
    args = parser.parse_args()
    ask = input if sys.stdin.isatty() and sys.stdout.isatty() else None
    for sentence in adopt_generated(args.project) if args.generated else adopt(args.project, ask):
        print(sentence)


if __name__ == "__main__":
    exit_with_help(main)
