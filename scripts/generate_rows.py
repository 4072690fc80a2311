"""Have a language model write rows (data.generate): a server that the config names, from task, seeds and documents."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.data.generation.generate import generate_rows

KEYS = ("project.task", "project.audience", "method", "data.system", "data.redact", "data.generate")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, candidates="rows that passed, to write", facts="generation.json to write")
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args, writes=("candidates", "facts")):
        outputs = {"candidates": args.candidates, "facts": args.facts}
        generate_rows(load_slice(args.config, KEYS), outputs)


if __name__ == "__main__":
    exit_with_help(main)
