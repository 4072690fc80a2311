"""Turn data.source into train, valid and test rows, the prompt template and the data card."""

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.data.prepare import prepare_data

OUTPUTS = ("train", "valid", "test", "template", "card", "strategy")

KEYS = ("method", "data", "train.max_length")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.json of the base model")
    add_config_argument(parser)
    parser.add_argument("--kept", type=Path, help="conversations that were kept by hand: further test rows")
    for name in OUTPUTS:
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"{name} file to write")
    parser.add_argument("--log", type=Path, required=True, help="everything the libraries say")
    args = parser.parse_args()
    with step(args.log):
        prepare_data(
            load_slice(args.config, KEYS), args.model, {name: getattr(args, name) for name in OUTPUTS}, args.kept
        )


if __name__ == "__main__":
    exit_with_help(main)
