"""Watch a run: in the browser (web), in the terminal (terminal), as one line (status), or a recorded one (replay)."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.cli import add_json, get_parser
from gaslamp.core.errors import exit_with_help


def main() -> int:
    parser = get_parser(__doc__)
    screens = parser.add_subparsers(dest="screen", required=True)
    web = screens.add_parser("web", help="serve the dashboard on 127.0.0.1 and open it")
    web.add_argument("--port", type=int, help="first port to try (default: dashboard.port)")
    web.add_argument("--open", action="store_true", help="open the browser when a person is at the terminal")
    web.add_argument("--idle", type=float, help="end after so many seconds without a tab and without a run")
    terminal = screens.add_parser("terminal", help="live curves in the terminal")
    status = screens.add_parser("status", help="one look, and what to do next")
    status.add_argument("--needs-run", action="store_true", help="exit code 1 when no run is going on, for scripts")
    add_json(status)
    replay = screens.add_parser("replay", help="play a recorded run to both screens")
    replay.add_argument(
        "recorded",
        help="a metrics.jsonl file, the name of a run of this project, or of a shipped sample (sft, dpo ...)",
    )
    replay.add_argument("--speed", type=float, default=50.0, help="times faster than it was (default 50)")
    replay.add_argument("--only", choices=["web", "terminal"], help="one screen instead of both")
    replay.add_argument("--port", type=int, help="first port to try (default: dashboard.port)")
    for one in (terminal, status):
        one.add_argument("--run", help="name of the run (default: the newest)")
    for one in (web, terminal, status, replay):
        one.add_argument("--root", type=Path, default=Path("."), help="the project folder (default: here)")
    args = parser.parse_args()
    if args.screen == "status":
        if args.json:
            from gaslamp.core.document import put_document
            from gaslamp.report.status import get_status

            status_now = get_status(args.root, args.run)
            put_document(status_now)
            return 1 if args.needs_run and not status_now.is_running else 0
        from gaslamp.report.dashboard.terminal import show_status

        return show_status(args.root, args.run, needs_run=args.needs_run)
    if args.screen == "terminal":
        from gaslamp.report.dashboard.terminal import watch

        return watch(args.root, args.run)
    port = args.port or get_port(args.root)
    if args.screen == "replay":
        from gaslamp.report.dashboard.replay import play

        return play(args.root, args.recorded, args.speed, port, args.only)
    from gaslamp.report.dashboard.server import run_server

    run_server(args.root, port, args.open, args.idle)
    return 0


def get_port(root: Path) -> int:
    """``dashboard.port`` of the config, or its default outside a project."""
    from gaslamp.config.load import read_config
    from gaslamp.config.sections.report import Dashboard

    return (read_config(root / "config.yaml").dashboard if (root / "config.yaml").is_file() else Dashboard()).port  # type: ignore[call-arg]


if __name__ == "__main__":
    exit_with_help(main)
