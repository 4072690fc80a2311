"""List what a run says to try, or with --number write one of them into config.yaml as a new run (make try N=1)."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.document import put_document
from gaslamp.core.errors import exit_with_help
from gaslamp.guide.documents import TryDocument
from gaslamp.guide.try_advice import list_advice, plan_try, write_try
from gaslamp.report.summary import get_console
from gaslamp.report.tries import print_tries


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--run", required=True, help="name of the run whose advice is meant")
    parser.add_argument("--number", type=int, help="which advice to apply, from 1; without it they are listed")
    parser.add_argument("--dry-run", action="store_true", help="show the change, and write nothing")
    args = parser.parse_args()
    project = Path()
    if args.number is None:
        advice = list_advice(project, args.run)
        if args.json:
            put_document(TryDocument.make(args.run, advice))
            return
        for number, one in enumerate(advice, 1):
            print(f"{number}  {one.text}" if one.remedy.changes else f"{number}  {one.text} (by hand)")
        if not advice:
            print(f"run {args.run} has nothing to try")
        elif first := next((place for place, one in enumerate(advice, 1) if one.remedy.changes), None):
            print(f"make try N={first} applies advice {first} as a new run")
        print_tries(get_console(), project / "outputs", args.run)
        return
    planned = plan_try(project, args.run, args.number)
    print(planned.advice.text)
    print("\n".join(planned.diff))
    if not args.dry_run:
        write_try(project, planned)
        print(f"config.yaml describes run {planned.run} now; the files of {planned.source} stay (RUN={planned.source})")
    if args.json:
        put_document(TryDocument.make(args.run, list_advice(project, args.run), planned, is_written=not args.dry_run))


if __name__ == "__main__":
    exit_with_help(main)
