"""Make the second file that a GGUF model needs: the eyes of one that sees, the head of a reward model."""

import argparse
from pathlib import Path

from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.exporters.gguf import export_companion


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--merged", type=Path, required=True, help="folder of the merged model")
    parser.add_argument("--toolchain", type=Path, required=True, help="toolchain.json of llama.cpp")
    parser.add_argument("--out", type=Path, required=True, help="file to write: mmproj-f16.gguf or head.json")
    parser.add_argument("--log", type=Path, required=True, help="everything the converter says")
    args = parser.parse_args()
    with step(args.log):
        export_companion(args.merged, args.toolchain, args.out, args.log)


if __name__ == "__main__":
    exit_with_help(main)
