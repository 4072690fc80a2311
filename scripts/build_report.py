"""Make the report of a run, one HTML file (rule build_report)."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help

FACTS = ("system", "env", "model", "card", "train", "compare", "verdict")
SHIPPED = ("ladder", "parity")

KEYS = ("project",)


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, metrics="metrics.jsonl of the training, for the curves", out="the report, one HTML file")
    add_paths(parser, **{name: f"{name}.json" for name in FACTS})
    add_optional_paths(parser, **{name: f"{name}.json; left out for a model without a parity gate" for name in SHIPPED})
    add_config_argument(parser)
    add_log(parser)
    args = parser.parse_args()
    with step(args.log, files=args):
        from gaslamp.report.run_report.page import build_report

        files = {name: path for name in (*FACTS, *SHIPPED) if (path := getattr(args, name))}
        build_report(files, args.metrics, load_slice(args.config, KEYS), args.out)


if __name__ == "__main__":
    exit_with_help(main)
