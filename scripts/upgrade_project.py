"""Show what changed since this project was made, and replace its pinned rules and code by the newer version.

Config, data and results stay as they are.
"""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.upgrade import Upgrade, group_by_room, upgrade_project
from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help


def show(upgrade: Upgrade) -> None:
    """Print the changelog since the pinned version, then the changed files by room."""
    if upgrade.is_empty:
        return
    print(f"from {upgrade.pinned} to {upgrade.new_version}\n")
    print(upgrade.changelog or f"the changelog has nothing newer than {upgrade.pinned}")
    for room, lines in group_by_room(upgrade).items():
        print(f"\n{room}")
        for line in lines:
            print(f"  {line}")
    print(flush=True)


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--project", type=Path, default=Path(), help="project folder, default: this one")
    parser.add_argument("--source", help="path or git URL of the repository, default: where the project came from")
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and replace nothing")
    parser.add_argument("--force", action="store_true", help="replace edited files too")
    args = parser.parse_args()
    upgrade = upgrade_project(args.project, args.source, args.force, args.dry_run, show)
    if args.json:
        from gaslamp.core.document import put_document
        from gaslamp.guide.documents import UpgradeDocument

        put_document(
            UpgradeDocument(
                pinned=upgrade.pinned,
                version=upgrade.new_version,
                changelog=upgrade.changelog,
                files=group_by_room(upgrade),
                is_replaced=not (upgrade.is_empty or args.dry_run),
            )
        )
    elif upgrade.is_empty:
        print("nothing to do: the pinned copy is up to date")
    else:
        print("nothing was replaced (dry run)" if args.dry_run else f"upgraded to {upgrade.new_version}")


if __name__ == "__main__":
    exit_with_help(main)
