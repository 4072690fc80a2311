"""Which base models fit a machine for a method and your data, with memory, time, download, disk and price."""

from __future__ import annotations

import json
from pathlib import Path

from gaslamp.config.pin import RECORD
from gaslamp.config.projects import list_projects
from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help
from gaslamp.environment.advise import get_advice
from gaslamp.environment.elsewhere import get_elsewhere
from gaslamp.environment.machines import Machine, get_machine, list_machines
from gaslamp.environment.profile import choose_profile
from gaslamp.environment.system import describe_system, detect_system
from gaslamp.guide.advise_show import get_json, print_advice
from gaslamp.guide.demand import find_measured, get_demand
from gaslamp.guide.show import make_console

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--task", help="what the model should do, in a sentence")
    parser.add_argument("--data", help="a file, a folder, hub:owner/name or embedded:NAME; its rows are looked at")
    parser.add_argument("--method", help="training method; default: that of the project, what the data fits, else sft")
    parser.add_argument("--machine", help=f"plan for another machine: {', '.join(list_machines())}")
    parser.add_argument("--profile", help="cpu, cuda, mac or mps; default: what fits the machine")
    parser.add_argument("--languages", help="of the data, by code: de,en")
    parser.add_argument("--needs", help="abilities: vision, tools, thinking, embedding, tts")
    parser.add_argument("--rows", type=int, help="training rows")
    parser.add_argument("--tokens", type=int, help="tokens of a long row")
    parser.add_argument("--all", action="store_true", help="every model, not the first ten")
    parser.add_argument("--explain", action="store_true", help="how memory and time were calculated")
    parser.add_argument("--json", action="store_true", help="for programs")
    args = parser.parse_args()
    machine: Machine = get_machine(args.machine) if args.machine else detect_system()
    project = Path() if Path(RECORD).is_file() else None
    given = vars(args) | {
        name: [part.strip() for part in getattr(args, name).split(",")] if getattr(args, name) else None
        for name in ("languages", "needs")
    }
    demand = get_demand(given, machine, project)
    folders = [project] if project else list_projects(ROOT / "projects")
    measured = [] if args.machine else find_measured(*folders)
    advice = get_advice(machine, profile=args.profile, measured=measured, **demand.wanted)
    elsewhere = [] if args.machine else get_elsewhere(advice, **demand.wanted)
    profile = choose_profile(machine, demand.method)
    title = machine["title"] if args.machine else describe_system(detect_system())
    if args.json:
        facts = {"machine": title, "profile": args.profile or profile.name, "reason": profile.reason}
        facts |= {"method": demand.method, "rows": demand.rows, "tokens": demand.tokens, "origin": demand.origin}
        print(json.dumps({**facts, **get_json(advice, elsewhere)}, ensure_ascii=False, indent=2))
        return
    console = make_console()
    console.print(f"machine: {title}; profile {args.profile or profile.name}")
    console.print(f"for:     {demand.describe()}\n")
    if not advice:
        console.print("no model of the catalogue can do that: scripts/gaslamp/models/catalogue.yaml has the list")
        return
    print_advice(advice, elsewhere, console, is_all=args.all, is_explained=args.explain)


if __name__ == "__main__":
    exit_with_help(main)
