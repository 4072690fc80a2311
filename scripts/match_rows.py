"""Check, before they are trained, that points with rows of their own can be compared on the validation rows."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.config.sweep_points import get_sweep_points
from gaslamp.core.cli import add_log, add_path_lists, add_paths, get_parser
from gaslamp.core.console import say, step
from gaslamp.core.errors import exit_with_help
from gaslamp.core.files import write_json
from gaslamp.evaluate.point_rows import choose_metric, match_rows, read_rows
from gaslamp.evaluate.sweep import list_methods, require_metric

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
    parser.add_argument("--runs", nargs="+", required=True, help="names of the points")
    add_path_lists(parser, rows="validation rows of each point")
    add_paths(parser, out="what was found, JSON")
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        settings = load_slice(args.config, KEYS)
        points = get_sweep_points({"sweep": settings.sweep.dump()})
        rows = match_rows(read_rows(dict(zip(args.runs, args.rows, strict=True))))
        methods = list_methods(settings.method, points, rows)
        metric = choose_metric(settings, rows[args.runs[0]], methods)
        require_metric(metric, points)
        count = len(rows[args.runs[0]])
        say(f"{len(args.runs)} points answer the same {count} validation rows")
        write_json(args.out, {"runs": args.runs, "rows": count, "metric": metric.name if metric else None})


if __name__ == "__main__":
    exit_with_help(main)
