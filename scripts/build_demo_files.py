"""Make the page of the files that belongs to a demo: every level, whether it is the model that was evaluated, the roadbook."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.report.demo.files_page import build_files_page

KEYS = ("project", "demo")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ladder", type=Path, required=True, help="ladder.json of the run")
    parser.add_argument("--parity", type=Path, required=True, help="parity.json of the run")
    parser.add_argument("--plot", type=Path, required=True, help="ladder.svg of the run")
    parser.add_argument("--roadbook", type=Path, required=True, help="gaslamp.md")
    add_config_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="the page; picture and roadbook go beside it")
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    with step(args.log):
        build_files_page(args.ladder, args.parity, args.plot, args.roadbook, load_slice(args.config, KEYS), args.out)


if __name__ == "__main__":
    exit_with_help(main)
