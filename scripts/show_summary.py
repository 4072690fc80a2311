"""Print the results of a run (make results), or with --failed what stopped it.

The exit code is 130 when a person did.
"""

from __future__ import annotations

from gaslamp.core.cli import get_parser
from gaslamp.core.document import put_document
from gaslamp.core.errors import exit_with_help
from gaslamp.report.results import get_results
from gaslamp.report.summary import get_console, show_failure, show_summary


def main() -> int:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--failed", action="store_true", help="the run stopped: print where and why, and how to go on")
    parser.add_argument("--command", default="run", help="what was stopped: run, data, deploy ..., default run")
    parser.add_argument("--no-next", action="store_true", help="leave out the next command")
    args = parser.parse_args()
    if args.json:
        put_document(get_results(args.run))
    elif args.failed:
        return 130 if show_failure(args.run, get_console(), args.command) else 0
    else:
        show_summary(args.run, get_console(), is_next_shown=not args.no_next)
    return 0


if __name__ == "__main__":
    exit_with_help(main)
