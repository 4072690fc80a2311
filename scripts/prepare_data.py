"""Turn data.source into train, valid and test rows, the prompt template and the data card."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, add_stage_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.data.length import Machine
from gaslamp.data.prepare import prepare_data
from gaslamp.models.loading import is_torch_needed, leave_out_torch

OUTPUTS = ("train", "valid", "test", "template", "card", "strategy")

KEYS = ("backend", "method", "data", "train")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, model="model.json of the base model")
    add_optional_paths(parser, kept="conversations that were kept by hand: more test rows")
    add_optional_paths(
        parser,
        labelled="rows written or corrected by hand (make label)",
        generated="rows that a model wrote, added to training",
        selection="selection.json of the generated rows",
    )
    add_optional_paths(
        parser,
        system="system.json of this machine: its memory limits train.max_length: auto",
        env="env.json of the training interpreter",
    )
    add_paths(parser, **{name: f"{name} file to write" for name in OUTPUTS})
    add_config_argument(parser)
    add_stage_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args, writes=tuple(name for name in OUTPUTS if name != "strategy")):
        outputs = {name: getattr(args, name) for name in OUTPUTS}
        machine = Machine(args.system, args.env) if args.system else None
        settings = load_slice(args.config, KEYS, args.stage)
        if not is_torch_needed(settings.method):
            leave_out_torch()
        prepare_data(settings, args.model, outputs, args.kept, machine, args.labelled, args.generated, args.selection)


if __name__ == "__main__":
    exit_with_help(main)
