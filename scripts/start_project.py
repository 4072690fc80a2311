"""Print the folder of the project that a command of the repository acts on.

Without options it is the project of `make run`; the first call generates it, without questions.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gaslamp.config.pin import is_behind
from gaslamp.config.projects import find_project, list_projects
from gaslamp.config.scaffold import ensure_current
from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help
from gaslamp.core.json_form import put

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "projects", help="where projects are, default: projects/")
    parser.add_argument("--newest", action="store_true", help="the project that was worked on last; generate nothing")
    parser.add_argument("--or-none", action="store_true", help="no project yet is no error: say so and print nothing")
    parser.add_argument("--json", action="store_true", help="an error as JSON; the folder stays a line of text")
    parser.add_argument("--project", help="this one: a name in --folder, or a path")
    args = parser.parse_args()
    if args.or_none and not args.project and not list_projects(args.folder):
        print("no project yet: make run makes one of the embedded task, make new one of your own data", file=sys.stderr)
        return
    if args.newest or args.project:
        project = find_project(args.folder, args.project)
        which = "" if args.project else " (the newest; PROJECT=name picks another)"
        print(f"project {project.name}{which}", file=sys.stderr)
    else:
        project, is_new = ensure_current(args.folder, ROOT)
        print(f"{'made' if is_new else 'going on with'} {project}", file=sys.stderr)
        if not is_new and is_behind(project, ROOT):
            print("note: the repository has changed since; make upgrade shows what, and takes it over", file=sys.stderr)
    put(str(os.path.relpath(project) if project.resolve().is_relative_to(Path.cwd()) else project))


if __name__ == "__main__":
    exit_with_help(main)
