"""Replace this project's pinned rules and code by a newer version; config, data and results stay as they are."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.config.scaffold import upgrade_project
from gaslamp.core.errors import exit_with_help


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=Path(), help="project folder, default: this one")
    parser.add_argument("--source", help="path or git URL of the repository, default: where the project came from")
    parser.add_argument("--force", action="store_true", help="replace edited files too")
    args = parser.parse_args()
    changes = upgrade_project(args.project, args.source, args.force)
    for kind, names in changes.items():
        for name in names:
            print(f"{kind}: {name}")
    print("upgraded" if any(changes.values()) else "nothing to do: the pinned copy is up to date")


if __name__ == "__main__":
    exit_with_help(main)
