"""Tell the run as a roadbook (rule write_roadbook)."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
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

KEYS = (
    "run",
    "backend",
    "method",
    "project",
    "model",
    "data",
    "train",
    "eval",
    "demo",
    "export",
    "deploy",
    "reflect",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in FACTS:
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"{name}.json")
    add_config_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="the roadbook")
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    with step(args.log):
        write_roadbook(vars(args), load_slice(args.config, KEYS), args.out)


if __name__ == "__main__":
    exit_with_help(main)
