"""Print the folder of the project that `make run` works on; the first call generates it, without questions."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gaslamp.config.scaffold import ensure_current, is_behind
from gaslamp.core.errors import exit_with_help

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "projects", help="where projects stand, default: projects/"
    )
    args = parser.parse_args()
    project, is_new = ensure_current(args.folder, ROOT)
    print(f"{'made' if is_new else 'going on with'} {project}", file=sys.stderr)
    if not is_new and is_behind(project, ROOT):
        print(f"note: the repository has changed since; `make -C '{project}' upgrade` takes that over", file=sys.stderr)
    print(project)


if __name__ == "__main__":
    exit_with_help(main)
