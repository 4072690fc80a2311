"""Convert the merged model to an unquantized GGUF file."""

import argparse
from pathlib import Path

from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.exporters.gguf import export


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--merged", type=Path, required=True, help="folder of the merged model")
    parser.add_argument("--toolchain", type=Path, required=True, help="toolchain.json of llama.cpp")
    parser.add_argument("--level", default="f16", help="f16, bf16 or f32")
    parser.add_argument("--out", type=Path, required=True, help="GGUF file to write")
    parser.add_argument("--log", type=Path, required=True, help="everything the converter says")
    args = parser.parse_args()
    with step(args.log):
        export(args.merged, args.toolchain, args.out, args.log, args.level)


if __name__ == "__main__":
    exit_with_help(main)
