"""Score every quantization level and recommend one."""

import argparse
from pathlib import Path

from gaslamp.config import parse_slice
from gaslamp.console import step
from gaslamp.errors import exit_with_help
from gaslamp.evaluation.ladder import build_ladder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", type=Path, nargs="+", required=True, help="GGUF files, f16 among them")
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, help="their predictions, in the same order")
    parser.add_argument("--compare", type=Path, required=True, help="compare.json")
    parser.add_argument("--test", type=Path, required=True, help="test rows")
    parser.add_argument("--settings", required=True, help="JSON with export.tolerance and eval")
    parser.add_argument("--out", type=Path, required=True, help="ladder.json to write")
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    with step("ladder", args.log):
        build_ladder(parse_slice(args.settings), args.gguf, args.predictions, args.compare, args.test, args.out)


if __name__ == "__main__":
    exit_with_help(main)
