"""Write the progress log (rule write_progress)."""

from __future__ import annotations

from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import redirected
from gaslamp.core.errors import exit_with_help
from gaslamp.report.roadbook.progress import write_progress


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, phases="logs/phases.jsonl", out="the progress log")
    add_log(parser, required=True)
    args = parser.parse_args()
    with redirected(args.log):  # not a step: its own start would be listed as unfinished
        write_progress(args.phases, args.out)


if __name__ == "__main__":
    exit_with_help(main)
