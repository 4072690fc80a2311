"""Push the staged folder of a run to the model hub, or list what would be pushed.

What stands after ``--`` is Snakemake's command, without a target: it stages the folder first.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gaslamp.core.cli import get_parser, split_command
from gaslamp.core.document import put_document
from gaslamp.core.errors import exit_with_help
from gaslamp.core.foreground import follow
from gaslamp.export.exporters.hub import push


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--folder", type=Path, required=True, help="outputs/<run>/export/hub")
    parser.add_argument("--dry-run", action="store_true", help="list the files and upload nothing")
    own, command = split_command(sys.argv[1:])
    args = parser.parse_args(own)
    if command:
        follow(command, "stage_push")
    pushed = push(args.folder, args.dry_run)
    if args.json:
        put_document(pushed)


if __name__ == "__main__":
    exit_with_help(main)
