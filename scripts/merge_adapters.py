"""Merge the adapter into the base model and save it in 16 bit; a failed evaluation gate stops it."""

from __future__ import annotations

from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.evaluate.gate import require


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        verdict="gate of the evaluation",
        model="model.json of the base model",
        adapters="adapter folder",
        template="template.json",
        out="folder to write",
    )
    add_optional_paths(parser, facts="train.json, whose run and rows the GGUF files name")
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        require(args.verdict)
        from gaslamp.core.threads import prepare_process

        prepare_process()
        from gaslamp.export.exporters.merged import export

        export(args.model, args.adapters, args.template, args.out, args.facts)


if __name__ == "__main__":
    exit_with_help(main)
