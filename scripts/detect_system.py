"""Record what this machine is: processor, memory, GPUs, disk, compilers. Needs Python 3.8 and no packages."""

from __future__ import annotations

import json

from gaslamp.core.cli import add_log, add_optional_paths, get_parser
from gaslamp.core.console import say, step
from gaslamp.core.errors import exit_with_help
from gaslamp.core.files import write_json
from gaslamp.environment.fitness import require_fit
from gaslamp.environment.system import describe_system, detect_system


def main() -> None:
    parser = get_parser(__doc__)
    add_optional_paths(parser, out="system.json to write; without it the JSON is printed")
    parser.add_argument("--fit-for", metavar="BACKEND", help="an error when this machine cannot train with it")
    parser.add_argument("--need-gb", type=float, default=0.0, help="with --fit-for: disk space of the run")
    add_log(parser)
    args = parser.parse_args()
    if args.fit_for:
        require_fit(detect_system(), args.fit_for, args.need_gb)
        return
    if args.out is None:
        print(json.dumps(detect_system(), indent=2))
        return
    with step(args.log, files=args):
        system = detect_system()
        write_json(args.out, system)
        say(describe_system(system))


if __name__ == "__main__":
    exit_with_help(main)
