"""Write the project brief from the config (rule write_brief)."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.config.schema import parse_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.report.roadbook.brief import write_brief


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON with project, method, model, data, backend")
    parser.add_argument("--out", type=Path, required=True, help="the brief")
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    with step("write_brief", args.log):
        write_brief(parse_slice(args.settings), args.out)


if __name__ == "__main__":
    exit_with_help(main)
