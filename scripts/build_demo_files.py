"""Make the demo's page of the files: every level, its parity with the evaluated model, and the roadbook."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.report.demo.files_page import build_files_page

KEYS = ("project", "demo")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        ladder="ladder.json of the run",
        parity="parity.json of the run",
        plot="ladder.svg of the run",
        roadbook="gaslamp.md",
        compare="compare.json of the run: the answers of the adapter",
        out="the page; plot and roadbook go into the same folder",
    )
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="answers of every level")
    add_config_argument(parser)
    add_log(parser)
    args = parser.parse_args()
    with step(args.log, files=args):
        files = args.ladder, args.parity, args.plot, args.roadbook, args.compare, args.predictions
        build_files_page(*files, load_slice(args.config, KEYS), args.out)


if __name__ == "__main__":
    exit_with_help(main)
