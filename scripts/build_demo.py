"""Make the demo page of a run from its comparison (rule build_demo)."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.report.demo.page import build_demo

KEYS = ("project", "demo", "method")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        compare="compare.json of the run",
        train="train.json of the run",
        model="model.json of the base model",
        out="the page, one HTML file",
    )
    add_config_argument(parser)
    add_log(parser)
    args = parser.parse_args()
    with step(args.log, files=args):
        build_demo(args.compare, args.train, args.model, load_slice(args.config, KEYS), args.out)


if __name__ == "__main__":
    exit_with_help(main)
