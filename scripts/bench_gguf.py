"""Measure the speed of every level with llama-bench."""

import argparse
from pathlib import Path

from gaslamp.console import step
from gaslamp.errors import exit_with_help
from gaslamp.exporters.gguf import bench


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", type=Path, nargs="+", required=True, help="GGUF files")
    parser.add_argument("--toolchain", type=Path, required=True, help="toolchain.json of llama.cpp")
    parser.add_argument("--out", type=Path, required=True, help="bench.json to write")
    parser.add_argument("--log", type=Path, required=True, help="everything llama-bench says")
    args = parser.parse_args()
    with step("bench"):
        bench(args.gguf, args.toolchain, args.out, args.log)


if __name__ == "__main__":
    exit_with_help(main)
