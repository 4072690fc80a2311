"""Fetch the base model into the shared cache and write where it is."""

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.models.fetch import fetch_model

KEYS = ("model",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_argument(parser)
    parser.add_argument("--vision-tower", action="store_true", help="the run shall end with GGUF files that see")
    parser.add_argument("--out", type=Path, required=True, help="model.json to write")
    parser.add_argument("--log", type=Path, required=True, help="everything the libraries say")
    args = parser.parse_args()
    with step(args.log):
        fetch_model(load_slice(args.config, KEYS).model, args.out, args.vision_tower)


if __name__ == "__main__":
    exit_with_help(main)
