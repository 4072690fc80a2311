"""Make the data page: the rows that the model learns from, with every check (rule build_data_page)."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, add_stage_argument, load_slice
from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.data.page import build_data_page
from gaslamp.models.loading import is_torch_needed, leave_out_torch

KEYS = ("project", "method")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        card="card.json of the data; rows and images are in the same folder",
        template="template.json of the data",
        model="model.json of the base model, whose tokens are shown",
        out="the page, one HTML file",
    )
    add_config_argument(parser)
    add_stage_argument(parser)
    add_log(parser)
    args = parser.parse_args()
    with step(args.log, files=args):
        settings = load_slice(args.config, KEYS, args.stage)
        if not is_torch_needed(settings.method):
            leave_out_torch()
        build_data_page(args.card, args.template, args.model, settings, args.out)


if __name__ == "__main__":
    exit_with_help(main)
