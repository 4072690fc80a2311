"""Run a step on another machine: the command after -- with the same files, there; its outputs come home.

push, train, poll and pull are the parts of a training, each a rule; run is all of them, for every other step.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, get_parser, split_command
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.remote.guard import run_guarded
from gaslamp.remote.task import read_task

KEYS = ("backend", "method", "project.name", "remote")


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--step", choices=("push", "train", "poll", "pull", "run"), default="run")
    parser.add_argument("--last", action="store_true", help="no later step needs the machine: give it back")
    add_optional_paths(parser, out="file to write when the part is done")
    add_config_argument(parser)
    add_log(parser)
    own, command = split_command(sys.argv[1:])
    args = parser.parse_args(own)
    if not command:
        parser.error("no command: -- scripts/NAME.py and its options")
    task = read_task(command)
    # what is sent is checked, what comes home is sealed: push and poll bring nothing
    made = [Path(path) for path in task.outputs] if args.step in ("pull", "run") else []
    files = argparse.Namespace(inputs=task.inputs, made=made)
    with step(args.log or Path(task.get("--log") or "logs/run_remote.log"), files=files, writes=("made",)):
        run_guarded(load_slice(args.config, KEYS), task, args.config[0], args.step, args.out, args.last)


if __name__ == "__main__":
    exit_with_help(main)
