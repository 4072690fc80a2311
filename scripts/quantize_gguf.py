"""Quantize the 16-bit GGUF file to one level."""

import argparse
from pathlib import Path

from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.exporters.gguf import quantize


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="16-bit GGUF file")
    parser.add_argument("--toolchain", type=Path, required=True, help="toolchain.json of llama.cpp")
    parser.add_argument("--level", required=True, help="such as q8_0 or q4_k_m")
    parser.add_argument("--imatrix", type=Path, help="importance matrix")
    parser.add_argument("--out", type=Path, required=True, help="GGUF file to write")
    parser.add_argument("--log", type=Path, required=True, help="everything llama-quantize says")
    args = parser.parse_args()
    with step(args.log):
        quantize(args.source, args.toolchain, args.level, args.out, args.log, args.imatrix)


if __name__ == "__main__":
    exit_with_help(main)
