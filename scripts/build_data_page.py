"""Make the data page: what will be learnt from, with every check (rule build_data_page)."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.data.page import build_data_page

KEYS = ("project", "method")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--card", type=Path, required=True, help="card.json of the data; rows and pictures stand beside it"
    )
    parser.add_argument("--template", type=Path, required=True, help="template.json of the data")
    parser.add_argument(
        "--model", type=Path, required=True, help="model.json of the base model, whose tokens are shown"
    )
    add_config_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="the page, one HTML file")
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    with step(args.log):
        build_data_page(args.card, args.template, args.model, load_slice(args.config, KEYS), args.out)


if __name__ == "__main__":
    exit_with_help(main)
