"""The machine that this project uses elsewhere: its state, a shell on it, or its end."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help
from gaslamp.remote.manage import end_failed_run, end_run, open_shell, show_status, stop_machine

KEYS = ("backend", "method", "project.name", "remote")
COMMANDS = {"status": show_status, "stop": stop_machine, "shell": open_shell, "end": end_run, "fail": end_failed_run}


def main() -> int:
    parser = get_parser(__doc__)
    parser.add_argument("command", choices=COMMANDS)
    add_config_argument(parser)
    args = parser.parse_args()
    return COMMANDS[args.command](load_slice(args.config, KEYS))


if __name__ == "__main__":
    exit_with_help(main)
