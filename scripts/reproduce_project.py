"""Repeat a run from its roadbook alone (make reproduce), and compare: data hashes exactly, figures within a tolerance.

The exit code is 0 when everything agrees, 1 when something differs or the run did not end.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.document import put_document
from gaslamp.core.errors import exit_with_help
from gaslamp.report.crate_file import open_crate
from gaslamp.report.documents import ReproductionDocument
from gaslamp.report.reproduce.comparison import REPORT, compare_runs, render
from gaslamp.report.reproduce.project import make_project, read_roadbook

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("roadbook", type=Path, help="a gaslamp.md, or a crate (make export-crate)")
    parser.add_argument("--folder", type=Path, default=ROOT / "projects", help="where the new project goes")
    parser.add_argument("--files", type=Path, help="where your own files of the run are, default: next to the roadbook")
    parser.add_argument("--model", help="the base model on this machine, when the run used a folder")
    parser.add_argument("--adapter", help="what the run started from (model.adapter), where it is on this machine")
    parser.add_argument("--profile", help="another backend than that of the run")
    parser.add_argument("--tolerance", type=float, default=0.02, help="of scores, 0.02 is two points (default)")
    parser.add_argument("--only", choices=("data",), help="data: stop after the data phase, and compare its hashes")
    args = parser.parse_args()
    with open_crate(args.roadbook) as roadbook:
        _, record = read_roadbook(roadbook)
        files = args.files or roadbook.resolve().parent
        project, is_new = make_project(roadbook, args.folder, ROOT, files, args.model, args.adapter)
    print(f"{'made' if is_new else 'going on with'} {project}", flush=True)
    snakemake = Path(sys.executable).with_name("snakemake")
    command = [str(snakemake), "--profile", args.profile or record.backend]
    target = ["data/card.json"] if args.only else []
    done = subprocess.run([*command, *target], cwd=project, check=False)
    result = compare_runs(project, args.roadbook, args.tolerance, bool(args.only))
    code = 0 if result.outcome != "differs" and not done.returncode else 1
    if args.json:
        put_document(
            ReproductionDocument(
                project=str(project),
                outcome=result.outcome,
                checks=result.checks,
                notes=result.notes,
                run_exit_code=done.returncode,
                report=str(project / f"{REPORT}.md"),
            )
        )
        return code
    print(render(result))
    print(f"{project / REPORT}.md and .json")
    if done.returncode:
        print(f"the run ended with exit code {done.returncode}: the message above says why; the same command goes on")
    return code


if __name__ == "__main__":
    exit_with_help(main)
