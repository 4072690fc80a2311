"""Write the project brief from the config (rule write_brief)."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.report.roadbook.brief import write_brief

KEYS = ("project", "method", "model", "data", "backend")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, out="the brief")
    add_config_argument(parser)
    add_log(parser)
    args = parser.parse_args()
    with step(args.log, files=args, writes=()):
        write_brief(load_slice(args.config, KEYS), args.out)


if __name__ == "__main__":
    exit_with_help(main)
