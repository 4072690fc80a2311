"""Write down what this machine is: processor, memory, every GPU, disk, compilers. Any Python from 3.8, nothing installed."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gaslamp.core.console import say, step
from gaslamp.core.errors import exit_with_help
from gaslamp.core.files import write_json
from gaslamp.environment.system import describe_system, detect_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="system.json to write; without it the JSON is printed")
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    if args.out is None:
        print(json.dumps(detect_system(), indent=2))
        return
    with step(args.log):
        system = detect_system()
        write_json(args.out, system)
        say(describe_system(system))


if __name__ == "__main__":
    exit_with_help(main)
