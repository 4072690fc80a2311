"""A project of your own: two questions, a plan that you can change, then it stands in the folder of projects.

With both answers only the plan is left to take: `make new TASK="sort our mails" DATA=mails.csv SET="demo language=de"`;
NO_INPUT=1 takes it as it is, as does a call without a terminal.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gaslamp.config.scaffold import make_project
from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help
from gaslamp.guide.answers import check_task
from gaslamp.guide.changes import read_changes
from gaslamp.guide.dialogue import apply_wanted, ask_questions, converse
from gaslamp.guide.show import make_console, print_plan
from gaslamp.guide.situation import look_around

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = "embedded:orders_json"


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "projects", help="where it will stand, default: projects/"
    )
    parser.add_argument("--task", default="", help="what the model should do, and for whom")
    parser.add_argument("--data", default="", help="file, folder, hub:owner/name, none ...")
    parser.add_argument("--set", default="", help='lines of the plan: "method=dpo; max_length=512"')
    parser.add_argument("--profile", help="where it runs: the line profile of the plan")
    parser.add_argument("--no-input", action="store_true", help="take the plan without asking")
    args = parser.parse_args()
    is_asking = sys.stdin.isatty() and sys.stdout.isatty() and not (args.no_input or args.json)
    console = make_console()
    task, data = args.task, args.data
    if is_asking and not (task and data):
        task, data = ask_questions(input, console, task, data or EXAMPLE)
    check_task(task)
    wanted = {**({"profile": args.profile} if args.profile else {}), **read_changes(args.set)}
    now, plan = apply_wanted(look_around(task, data), wanted)
    if is_asking:
        now, plan = converse(input, console, now)
    else:
        print_plan(plan, console)
    project, said = make_project(ROOT, args.folder, now.task, now.data.answer, dict(now.wanted))
    if args.json:
        from gaslamp.core.document import put_document
        from gaslamp.guide.documents import NewDocument

        put_document(NewDocument.make(plan, task=now.task, data=now.data.answer, project=str(project), done=said))
        return
    print("\n".join(said))


if __name__ == "__main__":
    exit_with_help(main)
