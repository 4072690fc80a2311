"""Make the demo page of a run from its comparison (rule build_demo)."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.report.demo.page import build_demo

KEYS = ("project", "demo", "method")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compare", type=Path, required=True, help="compare.json of the run")
    parser.add_argument("--train", type=Path, required=True, help="train.json of the run")
    parser.add_argument("--model", type=Path, required=True, help="model.json of the base model")
    add_config_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="the page, one HTML file")
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    with step(args.log):
        build_demo(args.compare, args.train, args.model, load_slice(args.config, KEYS), args.out)


if __name__ == "__main__":
    exit_with_help(main)
