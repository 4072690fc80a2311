"""Start the run of this project in the background (make run BACKGROUND=1), or stop the one that goes on (make cancel).

A run that is going on is found and not doubled, however it was started. To stop it is what Ctrl-C is: steps save their
work, and the same command goes on.
"""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import add_config_argument, read_merged
from gaslamp.core.background import Run, RunDocument, start, stop
from gaslamp.core.cli import add_json, get_parser
from gaslamp.core.document import put_document
from gaslamp.core.errors import exit_with_help
from gaslamp.environment.profile import get_project_profile
from gaslamp.environment.system import detect_system


def main() -> None:
    parser = get_parser(__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    begin = actions.add_parser("start", help="start it, or find the one that is going on; returns at once")
    begin.add_argument("--profile", help="cpu, cuda, mac, mps; default: that of make run")
    begin.add_argument("--run", help="another run than that of config.yaml")
    begin.add_argument("--target", help="stop at this file or target: data/report.html, deploy")
    add_config_argument(begin)
    end = actions.add_parser("stop", help="stop the one that is going on, and wait until its steps have saved")
    for one in (begin, end):
        add_json(one)
    args = parser.parse_args()
    if args.action == "stop":
        run = stop(Path())
        show(args.json, run, was_stopped=run is not None)
        return
    config = read_merged(args.config)  # its problems are said here, not in a log
    profile = args.profile or get_project_profile(Path(), detect_system(is_quick=True), config.method).name
    more = [*([args.target] if args.target else []), *(["--config", f"run={args.run}"] if args.run else [])]
    run, is_new = start(Path(), profile, more)
    show(args.json, run, is_new=is_new, profile=profile if is_new else None)


def show(
    is_json: bool, run: Run | None, *, is_new: bool = False, was_stopped: bool = False, profile: str | None = None
) -> None:
    """Say what became of the run."""
    if is_json:
        put_document(
            RunDocument(
                is_running=run is not None and not was_stopped,
                is_new=is_new,
                was_stopped=was_stopped,
                pid=run["pid"] if run else None,
                profile=profile,
                log=run["log"] if run else None,
            )
        )
    elif run is None:
        print("no run is going on")
    elif was_stopped:
        print("stopped; make run goes on where it was")
    else:
        state = f"started with profile {profile}" if is_new else "a run is going on already"
        print(
            f"{state} (process {run['pid']}, {run['log'] or 'in a terminal'}): make status looks, make cancel stops it"
        )


if __name__ == "__main__":
    exit_with_help(main)
