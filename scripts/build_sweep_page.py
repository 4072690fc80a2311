"""Make the leaderboard of a sweep, one HTML file (rule build_sweep_page)."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help

KEYS = ("project.name",)


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, sweep="sweep.json", out="the page, one HTML file")
    add_config_argument(parser)
    add_log(parser)
    args = parser.parse_args()
    with step(args.log, files=args):
        from gaslamp.report.sweep.page import build_sweep_page

        build_sweep_page(args.sweep, load_slice(args.config, KEYS), args.out)


if __name__ == "__main__":
    exit_with_help(main)
