"""Tell the run as a roadbook (rule write_roadbook)."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.config.schema import parse_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.report.roadbook.roadbook import write_roadbook

FACTS = (
    "system",
    "env",
    "preflight",
    "model",
    "card",
    "template",
    "train",
    "compare",
    "verdict",
    "ladder",
    "parity",
    "payload",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in FACTS:
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"{name}.json")
    parser.add_argument("--settings", required=True, help="JSON with every section of the config")
    parser.add_argument("--out", type=Path, required=True, help="the roadbook")
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    with step("write_roadbook", args.log):
        write_roadbook(vars(args), parse_slice(args.settings), args.out)


if __name__ == "__main__":
    exit_with_help(main)
