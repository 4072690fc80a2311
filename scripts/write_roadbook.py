"""Write the roadbook of the run (rule write_roadbook)."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.report.roadbook.roadbook import write_roadbook

FACTS = (
    "system",
    "env",
    "preflight",
    "model",
    "card",
    "template",
    "train",
    "compare",
    "verdict",
    "ladder",
    "parity",
    "payload",
)

KEYS = (
    "run",
    "backend",
    "method",
    "project",
    "model",
    "data",
    "train",
    "eval",
    "demo",
    "export",
    "deploy",
    "reflect",
)


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, out="the roadbook")
    add_paths(parser, **{name: f"{name}.json" for name in FACTS})
    add_optional_paths(
        parser,
        stages="stages.json, where there are stages",
        sweep="sweep.json, where the run is the best of its points",
    )
    add_config_argument(parser)
    add_log(parser)
    args = parser.parse_args()
    with step(args.log, files=args, writes=()):
        write_roadbook(vars(args), load_slice(args.config, KEYS), args.out)


if __name__ == "__main__":
    exit_with_help(main)
