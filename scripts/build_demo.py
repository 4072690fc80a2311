"""Make the demo page of a run from its comparison (rule build_demo)."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.config.schema import parse_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.report.demo.page import build_demo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compare", type=Path, required=True, help="compare.json of the run")
    parser.add_argument("--train", type=Path, required=True, help="train.json of the run")
    parser.add_argument("--model", type=Path, required=True, help="model.json of the base model")
    parser.add_argument("--settings", required=True, help="JSON with project, demo, method")
    parser.add_argument("--out", type=Path, required=True, help="the page, one HTML file")
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    with step("build_demo", args.log):
        build_demo(args.compare, args.train, args.model, parse_slice(args.settings), args.out)


if __name__ == "__main__":
    exit_with_help(main)
