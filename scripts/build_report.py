"""Make the report of a run, one HTML file (rule build_report)."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help

FACTS = ("system", "env", "model", "card", "train", "compare", "verdict")
SHIPPED = ("ladder", "parity")

KEYS = ("project",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in FACTS:
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"facts: {name}")
    for name in SHIPPED:
        parser.add_argument(f"--{name}", type=Path, help=f"facts: {name}; not given for a model that is no chat model")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.jsonl of the training, for the curves")
    add_config_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="the report, one HTML file")
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    with step(args.log):
        from gaslamp.report.run_report.page import build_report

        files = {name: path for name in (*FACTS, *SHIPPED) if (path := getattr(args, name))}
        build_report(files, args.metrics, load_slice(args.config, KEYS), args.out)


if __name__ == "__main__":
    exit_with_help(main)
