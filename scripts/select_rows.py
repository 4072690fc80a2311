"""Take the generated rows that a person kept or edited (make review) into the data."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.data.generation.select import select_rows

KEYS = ("data.generate.review",)


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, candidates="generated rows", facts="generation.json")
    add_optional_paths(parser, review="what a person decided (make review)")
    add_paths(parser, rows="rows to write", selection="selection.json to write")
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args, writes=("rows", "selection")):
        outputs = {"rows": args.rows, "selection": args.selection}
        needed = load_slice(args.config, KEYS).data.generate.review
        select_rows(args.candidates, args.facts, args.review, needed, outputs)


if __name__ == "__main__":
    exit_with_help(main)
