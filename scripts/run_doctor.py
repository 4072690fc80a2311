"""Print one block to paste into an issue: versions, machine, backend, disk, llama.cpp, config, the last failure.

It holds no tokens and no home folder. Exit code 1 when there is a problem.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help
from gaslamp.core.json_form import put_error
from gaslamp.core.redaction import redact

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--project", help="a project folder, or a name in --folder")
    parser.add_argument("--folder", type=Path, help="without --project: the newest project in this folder, if any")
    parser.add_argument("--backend", default="cpu", help="the profile that is meant, default cpu")
    args = parser.parse_args()
    try:
        from gaslamp.config.projects import find_project, list_projects
        from gaslamp.core.document import put_document
        from gaslamp.report.doctor import examine, render
        from gaslamp.report.documents import DoctorDocument, FindingPart
    except ImportError as error:
        cause = f"Python {sys.version.split()[0]} lacks what gaslamp needs ({error})"
        if args.json:
            put_error(cause, ["make setup"])
        else:
            print(f"{cause}\n  usual fix:       make setup")
        return 1
    newest = list_projects(args.folder)[:1] if args.folder and not args.project else []
    project = find_project(args.folder or Path(), args.project) if args.project else next(iter(newest), None)
    findings = examine(project, args.backend, ROOT)
    problems = [finding.title for finding in findings if finding.is_problem]
    name = project.resolve().name if project else None
    if args.json:
        parts = [FindingPart(title=one.title, text=redact(one.text), is_problem=one.is_problem) for one in findings]
        put_document(DoctorDocument(project=name, findings=parts, problems=problems))
        return 1 if problems else 0
    print(f"project: {name or 'none yet'}\n{render(findings)}")
    print(f"\n{len(problems)} to look at: {', '.join(problems)}" if problems else "\nno problem found")
    return 1 if problems else 0


if __name__ == "__main__":
    exit_with_help(main)
