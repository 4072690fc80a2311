"""Measure what every level costs and loses: load time, memory, speed, perplexity and KL divergence against f16."""

import argparse
from pathlib import Path

from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.llamacpp.measure import measure_levels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", type=Path, nargs="+", required=True, help="GGUF files, f16 among them")
    parser.add_argument("--toolchain", type=Path, required=True, help="toolchain.json of llama.cpp")
    parser.add_argument(
        "--rows",
        type=Path,
        nargs="+",
        required=True,
        help="rows whose words are the text for perplexity, the test rows first",
    )
    parser.add_argument(
        "--vectors", action="store_true", help="the model gives vectors or scores: it is only timed while it reads"
    )
    parser.add_argument("--out", type=Path, required=True, help="bench.json to write")
    parser.add_argument("--log", type=Path, required=True, help="everything llama.cpp says")
    args = parser.parse_args()
    with step(args.log, redirect=False):
        measure_levels(args.gguf, args.toolchain, args.rows, args.out, args.log, answers=not args.vectors)


if __name__ == "__main__":
    exit_with_help(main)
