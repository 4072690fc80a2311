"""Run tasks of lm-evaluation-harness on base or tuned."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help

KEYS = ("method", "eval.lm_eval", "eval.lm_eval_limit", "eval.confidence")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, model="model.json of the base model", template="template.json", out="results to write")
    add_optional_paths(parser, adapters="adapter folder; without it the base model is evaluated")
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        from gaslamp.core.threads import prepare_process

        prepare_process()
        from gaslamp.evaluate.harness import run_harness

        run_harness(load_slice(args.config, KEYS), args.model, args.adapters, args.template, args.out, Path("tasks"))


if __name__ == "__main__":
    exit_with_help(main)
