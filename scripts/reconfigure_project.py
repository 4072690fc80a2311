"""Hold the interview again in this project: shows what changes in config.yaml and what it would run again, then asks.

Values that you changed in config.yaml stay as you set them. Without questions:
`make reconfigure SET="method=dpo; max_length=512" YES=1`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.document import put_document
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.guide.amount import find_counted
from gaslamp.guide.answers import check_task
from gaslamp.guide.changes import read_changes
from gaslamp.guide.dialogue import apply_wanted, ask_line, ask_questions, converse
from gaslamp.guide.documents import ReconfigureDocument
from gaslamp.guide.plan import Plan, Situation
from gaslamp.guide.reconfigure import (
    Project,
    change_config,
    copy_data,
    get_source,
    list_differences,
    read_project,
    write_changes,
)
from gaslamp.guide.reruns import explain_reruns
from gaslamp.guide.show import make_console, print_plan
from gaslamp.guide.situation import look_around


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--project", type=Path, default=Path(), help="project folder, default: this one")
    parser.add_argument("--task", help="the first answer, default: as it is")
    parser.add_argument("--data", help="the second answer, default: as it is")
    parser.add_argument("--set", default="", help='lines of the plan: "method=dpo; max_length=512"')
    parser.add_argument("--yes", action="store_true", help="write without asking")
    args = parser.parse_args()
    ask = input if sys.stdin.isatty() and sys.stdout.isatty() and not (args.yes or args.json) else None
    console = make_console()
    project = read_project(args.project)
    task, data = args.task or project.task, args.data or project.data
    if ask and args.task is None and args.data is None:
        task, data = ask_questions(ask, console, task, data, folder=args.project)
    check_task(task)
    now = look_around(task, data, project.wanted, project=args.project)
    if get_source(args.project, now.data) == project.data:  # the same rows: what was counted holds
        method = str(project.values.get("method") or "sft")
        now = replace(now, counted=find_counted(args.project, method))
    now, plan = apply_wanted(now, read_changes(args.set), args.project)
    if ask:
        now, plan = converse(ask, console, now, args.project)
    else:
        print_plan(plan, console)
    text = change_config(project, plan, now.task, now.data)
    differences = list_differences(project.text, text, plan.reasons)
    profile = str(project.values.get("backend") or "cpu")
    is_same = text == project.text
    if args.json:
        reruns = "" if is_same else get_reruns(args.project, project, text, now, profile, plan)
        if args.yes and not is_same:
            write(args.project, project, plan, now)
        put_document(
            ReconfigureDocument.make(
                plan,
                task=now.task,
                data=now.data.answer,
                differences=differences,
                reruns=reruns,
                is_written=args.yes and not is_same,
            )
        )
        return
    if not differences and is_same:
        print("config.yaml stays as it is")
        return
    print("config.yaml:" if differences else "config.yaml: only the reasons change")
    print("\n".join(f"  {line}" for line in differences), flush=True)
    if not args.yes:  # else nobody reads it first
        print(f"\n{get_reruns(args.project, project, text, now, profile, plan)}", flush=True)
        if ask is None:
            raise GaslampError(
                "nothing was written: nobody is there to say yes", "the same command with YES=1 behind it"
            )
        if ask_line(ask, "\nwrite it? [y/N]").lower() not in ("y", "yes"):
            print("kept as it was")
            return
    write(args.project, project, plan, now)
    print("config.yaml is written; make run does what it changes")


def get_reruns(folder: Path, project: Project, text: str, now: Situation, profile: str, plan: Plan) -> str:
    """What the new ``text`` of config.yaml would run again, as a sentence."""
    if get_source(folder, now.data) != project.data:  # a file is named that is not there yet
        return "Other data: every step from prepare_data on would run again."
    return explain_reruns(folder, text, profile, plan.get("profile").value)


def write(folder: Path, project: Project, plan: Plan, now: Situation) -> None:
    """Copy the data, and write what the plan changes."""
    copied = copy_data(folder, now.data)
    write_changes(project, change_config(project, plan, now.task, copied), plan, now.task, now.data.answer, now.wanted)


if __name__ == "__main__":
    exit_with_help(main)
