"""Record what this machine is: processor, memory, GPUs, disk, compilers. Needs Python 3.8 and no packages."""

from __future__ import annotations

import json

from gaslamp.core.cli import add_log, add_optional_paths, get_parser
from gaslamp.core.console import say, step
from gaslamp.core.errors import exit_with_help
from gaslamp.core.files import write_json
from gaslamp.environment.system import describe_system, detect_system


def main() -> None:
    parser = get_parser(__doc__)
    add_optional_paths(parser, out="system.json to write; without it the JSON is printed")
    add_log(parser)
    args = parser.parse_args()
    if args.out is None:
        print(json.dumps(detect_system(), indent=2))
        return
    with step(args.log, files=args):
        system = detect_system()
        write_json(args.out, system)
        say(describe_system(system))


if __name__ == "__main__":
    exit_with_help(main)
