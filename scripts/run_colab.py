"""One step of training on a Colab machine. Not built yet: it fails with the reason and writes nothing."""

from __future__ import annotations

from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.remote.colab import STEPS, run_step


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, out="file to write when the step is done")
    parser.add_argument("--step", choices=STEPS, required=True, help="which part of the round trip")
    add_log(parser)
    args = parser.parse_args()
    with step(args.log):
        run_step(args.step)


if __name__ == "__main__":
    exit_with_help(main)
