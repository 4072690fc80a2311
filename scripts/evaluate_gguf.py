"""Ask one GGUF file the test rows through llama-server."""

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.served import evaluate_gguf

KEYS = (
    "method",
    "train.options",
    "train.max_length",
    "eval.max_new_tokens",
    "eval.sampling",
    "export.ladder_rows",
)
TARGET_KEYS = ("eval.retention", "eval.retention_file")  # with --known: the general questions are prompted too


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", type=Path, required=True, help="file to ask")
    parser.add_argument("--toolchain", type=Path, required=True, help="toolchain.json of llama.cpp")
    parser.add_argument("--test", type=Path, required=True, help="test rows")
    add_config_argument(parser)
    parser.add_argument(
        "--known", type=Path, help="answers of the ladder: the rest of the rows and the general questions are asked too"
    )
    parser.add_argument("--companion", type=Path, help="what the file needs to be asked: mmproj-f16.gguf or head.json")
    parser.add_argument("--out", type=Path, required=True, help="predictions to write")
    parser.add_argument("--log", type=Path, required=True, help="what llama-server prints")
    args = parser.parse_args()
    with step(args.log, redirect=False):
        evaluate_gguf(
            load_slice(args.config, (*KEYS, *(TARGET_KEYS if args.known else ()))),
            args.gguf,
            args.toolchain,
            args.test,
            args.out,
            args.log,
            args.known,
            args.companion,
        )


if __name__ == "__main__":
    exit_with_help(main)
