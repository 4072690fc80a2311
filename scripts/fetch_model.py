"""Fetch the base model into the shared cache and record where it is."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.models.fetch import fetch_model

KEYS = ("model.source", "model.revision")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, out="model.json to write")
    parser.add_argument(
        "--vision-tower",
        action="store_true",
        help="the run ends with GGUF files of a multimodal model: check that llama.cpp knows its vision tower",
    )
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        fetch_model(load_slice(args.config, KEYS).model, args.out, args.vision_tower)


if __name__ == "__main__":
    exit_with_help(main)
