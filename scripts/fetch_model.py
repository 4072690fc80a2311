"""Fetch the base model into the shared cache and write where it is."""

import argparse
from pathlib import Path

from gaslamp.config.schema import parse_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.models.fetch import fetch_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON with the model section of the config")
    parser.add_argument("--eyes", action="store_true", help="the run shall end with GGUF files that see")
    parser.add_argument("--out", type=Path, required=True, help="model.json to write")
    parser.add_argument("--log", type=Path, required=True, help="everything the libraries say")
    args = parser.parse_args()
    with step("model", args.log):
        fetch_model(parse_slice(args.settings).model, args.out, args.eyes)


if __name__ == "__main__":
    exit_with_help(main)
