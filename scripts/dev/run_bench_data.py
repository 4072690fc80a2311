"""Measure the data phase on a million rows against `datasets`, the bare tokenizer, and itself on fewer rows."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="default 1,000,000 (about 240 MB, and 1 GB of work files)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("bench-data.json"), help="JSON file to write, default: bench-data.json"
    )
    args = parser.parse_args()
    from benchmarks.data import run_bench

    with tempfile.TemporaryDirectory(prefix="gaslamp-bench-data-") as folder, step():
        run_bench(Path(folder), args.rows, args.out)


if __name__ == "__main__":
    exit_with_help(main)
