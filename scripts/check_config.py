"""Check config.yaml: every problem with its line, broken YAML too (which Snakemake reports without a line).

Names the recipes of the memory that fit the project and are not applied.
"""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, read_merged
from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help
from gaslamp.memory.defaults import get_notes
from gaslamp.memory.snapshot import get_home


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--only-errors", action="store_true", help="another command goes on: no document but an error")
    add_config_argument(parser)
    args = parser.parse_args()
    read_merged(args.config)
    notes = get_notes(args.config[0].parent, get_home())
    if args.json and not args.only_errors:
        from gaslamp.core.document import DoneDocument, put_document

        put_document(DoneDocument(done=notes))
        return
    for note in notes:
        print(note)


if __name__ == "__main__":
    exit_with_help(main)
