"""Push the staged folder of a run to the model hub, or list what would be pushed."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help
from gaslamp.export.exporters.hub import push


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="outputs/<run>/export/hub")
    parser.add_argument("--dry-run", action="store_true", help="list the files and upload nothing")
    args = parser.parse_args()
    push(args.folder, args.dry_run)


if __name__ == "__main__":
    exit_with_help(main)
