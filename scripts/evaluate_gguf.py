"""Ask one GGUF file the test rows through llama-server."""

import argparse
from pathlib import Path

from gaslamp.config.levels import get_level
from gaslamp.config.schema import parse_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.served import evaluate_gguf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", type=Path, required=True, help="file to ask")
    parser.add_argument("--toolchain", type=Path, required=True, help="toolchain.json of llama.cpp")
    parser.add_argument("--test", type=Path, required=True, help="test rows")
    parser.add_argument(
        "--settings", required=True, help="JSON with method, train, eval.max_new_tokens and export.ladder_rows"
    )
    parser.add_argument(
        "--known", type=Path, help="answers of the ladder: the rest of the rows and the general questions are asked too"
    )
    parser.add_argument("--beside", type=Path, help="what the file needs to be asked: mmproj-f16.gguf or head.json")
    parser.add_argument("--out", type=Path, required=True, help="predictions to write")
    parser.add_argument("--log", type=Path, required=True, help="what llama-server prints")
    args = parser.parse_args()
    with step(f"evaluate {get_level(args.gguf)}"):
        evaluate_gguf(
            parse_slice(args.settings),
            args.gguf,
            args.toolchain,
            args.test,
            args.out,
            args.log,
            args.known,
            args.beside,
        )


if __name__ == "__main__":
    exit_with_help(main)
