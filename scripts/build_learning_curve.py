"""Draw the learning curve of a run: the same training on shares of the rows (make learning-curve)."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_path_lists, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help

KEYS = (
    "method",
    "data.slice",
    "train.rewards",
    "eval.metrics",
    "eval.options",
    "eval.confidence",
    "eval.slices",
    "project.name",
)


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--runs", nargs="+", required=True, help="the smallest share first, the run itself last")
    add_path_lists(parser, answers="predictions on the test rows, of each run", facts="train.json of each run")
    add_paths(
        parser,
        base="predictions of the base model",
        compare="compare.json of the run",
        test="test rows",
        out="learning_curve.json to write",
        page="the page to write",
    )
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args, writes=("out", "page")):
        from gaslamp.evaluate.learning_curve import draw_curve
        from gaslamp.report.sweep.curve_page import write_curve_page

        settings = load_slice(args.config, KEYS)
        answers, facts = (dict(zip(args.runs, files, strict=True)) for files in (args.answers, args.facts))
        curve = draw_curve(settings, args.compare, answers, args.base, facts, args.test, args.out)
        write_curve_page(curve, settings.project.name, args.page)


if __name__ == "__main__":
    exit_with_help(main)
