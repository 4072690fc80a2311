"""Measure our training, evaluation and data phase against plain TRL, transformers and datasets in the same run."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.training import PARTS, run_bench
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12, help="steps of each training, default 12")
    parser.add_argument("--rows", type=int, default=48, help="test rows that are prompted, default 48")
    parser.add_argument(
        "--project", type=Path, help="project whose last run is read, default: the newest under projects/"
    )
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="what is measured, default: everything")
    parser.add_argument("--out", type=Path, default=Path("bench.json"), help="JSON file to write, default: bench.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gaslamp-bench-") as folder, step():
        run_bench(Path(folder), args.steps, args.rows, args.project, ROOT, args.out, tuple(args.only))


if __name__ == "__main__":
    exit_with_help(main)
