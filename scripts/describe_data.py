"""Show columns, types, two rows and the detected format of a data source, and how to change it. Writes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from gaslamp.config.load import read_config
from gaslamp.config.schema import Config
from gaslamp.core.cli import get_parser
from gaslamp.core.document import put_document
from gaslamp.core.errors import exit_with_help
from gaslamp.data.describe import describe, print_description
from gaslamp.data.documents import DataDocument


def main() -> int:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument(
        "source", nargs="?", help="a file, a folder, embedded:NAME or a hub id; default: data.source of config.yaml"
    )
    parser.add_argument("--method", help="method that trains on it; default: that of config.yaml, else sft")
    parser.add_argument("--format", help="a name from scripts/gaslamp/data/formats; default: detected")
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="ROLE=NAME",
        help="your column for a role, as in data.columns; may be repeated",
    )
    parser.add_argument(
        "--config", type=Path, default=Path("config.yaml"), help="default: config.yaml, when it is there"
    )
    args = parser.parse_args()
    config = read_config(args.config) if args.config.is_file() else Config()
    columns = dict(pair.split("=", 1) for pair in args.column if "=" in pair)
    changed = {"source": args.source, "format": args.format, "columns": columns or ({} if args.source else None)}
    data = config.data.model_copy(update={key: value for key, value in changed.items() if value is not None})
    method = args.method or config.method
    result = describe(data, method)
    if args.json:
        put_document(DataDocument.make(result, method))
        return result.error.code if result.error else 0
    print_description(result, method)
    if result.error:
        print(f"\n{result.error}", file=sys.stderr)
        return result.error.code
    return 0


if __name__ == "__main__":
    exit_with_help(main)
