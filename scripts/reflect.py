"""Remember the findings of a run (rule reflect); by hand also --extract, --dry-run and --input."""

from __future__ import annotations

import json

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.memory.reflect import fill_memory, get_candidates, read_payload, reflect

KEYS = ("project", "method", "model", "backend", "train", "reflect")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, payload="written: every entry with its outcome", decisions="written: the same as a table")
    add_optional_paths(parser, input="take the entries from this payload instead of the facts")
    add_paths(parser, **{name: f"{name}.json" for name in ("system", "train", "compare", "ladder", "model", "card")})
    parser.add_argument("--extract", action="store_true", help="print the candidates as JSON and stop")
    parser.add_argument("--dry-run", action="store_true", help="write nothing to the long-term memory")
    add_config_argument(parser)
    add_log(parser)
    args = parser.parse_args()
    settings = load_slice(args.config, KEYS)
    entries = read_payload(args.input) if args.input else get_candidates(vars(args), settings)
    if args.extract:
        print(json.dumps([entry.model_dump() for entry in entries], indent=2, ensure_ascii=False))
        return
    with step(args.log):
        fill_memory(vars(args), settings)
        reflect(entries, settings, args.payload, args.decisions, args.dry_run)


if __name__ == "__main__":
    exit_with_help(main)
