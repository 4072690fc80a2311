"""Write the project brief from the config (rule write_brief)."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.report.roadbook.brief import write_brief

KEYS = ("project", "method", "model", "data", "backend")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="the brief")
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    with step(args.log):
        write_brief(load_slice(args.config, KEYS), args.out)


if __name__ == "__main__":
    exit_with_help(main)
