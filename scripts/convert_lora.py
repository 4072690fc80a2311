"""Convert the adapter alone to GGUF, for a server that answers with and without it."""

import argparse
from pathlib import Path

from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.exporters.lora_gguf import export


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.json of the base model")
    parser.add_argument("--adapters", type=Path, required=True, help="PEFT folder of the adapter")
    parser.add_argument("--toolchain", type=Path, required=True, help="toolchain.json of llama.cpp")
    parser.add_argument("--out", type=Path, required=True, help="folder to write: adapter.gguf and lora.json")
    parser.add_argument("--log", type=Path, required=True, help="everything the converter says")
    args = parser.parse_args()
    with step(args.log):
        export(args.model, args.adapters, args.toolchain, args.out, args.log)


if __name__ == "__main__":
    exit_with_help(main)
