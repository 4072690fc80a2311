"""Print one block to paste into an issue: versions, machine, backend, disk, llama.cpp, config, the last failure.

It holds no tokens and no home folder. Exit code 1 when there is a problem.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = get_parser(__doc__)
    parser.add_argument("--project", help="a project folder, or a name in --folder")
    parser.add_argument("--folder", type=Path, help="without --project: the newest project in this folder, if any")
    parser.add_argument("--backend", default="cpu", help="the profile that is meant, default cpu")
    args = parser.parse_args()
    try:
        from gaslamp.config.projects import find_project, list_projects
        from gaslamp.report.doctor import examine, render
    except ImportError as error:
        print(f"Python {sys.version.split()[0]} lacks what gaslamp needs ({error})\n  usual fix:       make setup")
        return 1
    newest = list_projects(args.folder)[:1] if args.folder and not args.project else []
    project = find_project(args.folder or Path(), args.project) if args.project else next(iter(newest), None)
    findings = examine(project, args.backend, ROOT)
    print(f"project: {project.resolve().name if project else 'none yet'}\n{render(findings)}")
    problems = [finding.title for finding in findings if finding.is_problem]
    print(f"\n{len(problems)} to look at: {', '.join(problems)}" if problems else "\nno problem found")
    return 1 if problems else 0


if __name__ == "__main__":
    exit_with_help(main)
