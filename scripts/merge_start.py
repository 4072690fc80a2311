"""Merge what was trained before into the base model, and record the model that this run starts from."""

from __future__ import annotations

from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        model="model.json of the base model",
        adapter="outputs/<run> of a project, or a folder with a PEFT adapter",
        out="model.json to write",
    )
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        from gaslamp.core.threads import prepare_process

        prepare_process()
        from gaslamp.models.merge import merge_start

        merge_start(args.model, args.adapter, args.out)


if __name__ == "__main__":
    exit_with_help(main)
