"""Write the progress log (rule write_progress)."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.core.console import redirected
from gaslamp.core.errors import exit_with_help
from gaslamp.report.roadbook.progress import write_progress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phases", type=Path, required=True, help="logs/phases.jsonl")
    parser.add_argument("--out", type=Path, required=True, help="the progress log")
    parser.add_argument("--log", type=Path, required=True, help="everything else that is printed")
    args = parser.parse_args()
    with redirected("progress", args.log):  # not a step: its own start would stand in the log as unfinished
        write_progress(args.phases, args.out)


if __name__ == "__main__":
    exit_with_help(main)
