"""Which base models fit a machine for a method and your data, with memory, time, download, disk and price."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.pin import RECORD
from gaslamp.core.cli import get_parser
from gaslamp.core.document import put_document
from gaslamp.core.errors import exit_with_help
from gaslamp.environment.elsewhere import get_elsewhere
from gaslamp.environment.machines import Machine, get_machine, list_machines
from gaslamp.environment.profile import choose_profile
from gaslamp.environment.system import describe_system, detect_system
from gaslamp.guide.advise_show import print_advice
from gaslamp.guide.demand import get_demand
from gaslamp.guide.documents import AdviceDocument
from gaslamp.guide.measured import find_measured
from gaslamp.guide.models import choose, find_offline, get_target
from gaslamp.guide.show import make_console


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
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
    args = parser.parse_args()
    machine: Machine = get_machine(args.machine) if args.machine else detect_system(is_quick=True)
    project = Path() if Path(RECORD).is_file() else None
    given = vars(args) | {
        name: [part.strip() for part in getattr(args, name).split(",")] if getattr(args, name) else None
        for name in ("languages", "needs")
    }
    wanted = get_demand(given, machine, project)
    demand, offline = wanted.demand, "" if args.machine else find_offline()
    fitting = choose_profile(machine, demand.method)
    profile = args.profile or (None if args.machine else wanted.profile) or fitting.name
    measured = [] if args.machine else find_measured(machine, project)
    choice = choose(demand, profile, machine, offline, measured)
    elsewhere = [] if args.machine else get_elsewhere(choice.advice, demand)
    where = get_target(machine, profile)
    title = machine["title"] if args.machine else describe_system(detect_system(is_quick=True))
    title += f"; planned for {where[1]}" if where[0] is not machine else ""
    if args.json:
        facts = {"machine": title, "profile": profile, "reason": fitting.reason if profile == fitting.name else ""}
        facts |= {"method": demand.method, "rows": demand.rows, "tokens": demand.tokens, "mean": demand.mean_tokens}
        facts |= {"origin": wanted.origin, "offline": offline, "why": choice.reason}
        put_document(AdviceDocument.make(choice.advice, elsewhere, **facts))
        return
    console = make_console()
    console.print(f"machine: {title}; profile {profile}")
    console.print(f"for:     {wanted.describe()}")
    if offline:
        console.print(f"hub:     {offline}: what has to be downloaded comes later")
    console.print()
    if not choice.advice:
        console.print("no model of the catalogue can do that: scripts/gaslamp/models/catalogue.yaml has the list")
        return
    print_advice(choice.advice, elsewhere, console, why=choice.reason, is_all=args.all, is_explained=args.explain)


if __name__ == "__main__":
    exit_with_help(main)
