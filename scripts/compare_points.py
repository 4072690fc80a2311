"""Score the points of a sweep on the validation rows, and choose the ones that go on to the test rows."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.config.sweep_points import get_sweep_points
from gaslamp.core.cli import add_log, add_path_lists, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.evaluate.sweep import compare_points

KEYS = (
    "method",
    "data.slice",
    "train.rewards",
    "eval.metrics",
    "eval.options",
    "eval.confidence",
    "eval.slices",
    "sweep",
)


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--runs", nargs="+", required=True, help="names of the runs: each point and its further seeds")
    add_path_lists(
        parser,
        answers="predictions on the validation rows, of each run",
        facts="train.json of each run",
        rows="validation rows of each run",
    )
    add_paths(parser, out="sweep.json to write")
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        settings = load_slice(args.config, KEYS)
        points = get_sweep_points({"sweep": settings.sweep.dump()})
        answers, facts, rows = (
            dict(zip(args.runs, files, strict=True)) for files in (args.answers, args.facts, args.rows)
        )
        compare_points(settings, points, answers, facts, rows, settings.sweep.keep, args.out)


if __name__ == "__main__":
    exit_with_help(main)
