"""Run tasks of lm-evaluation-harness on base or tuned."""

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help

KEYS = ("method", "eval.lm_eval", "eval.lm_eval_limit", "eval.confidence")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.json of the base model")
    parser.add_argument("--adapters", type=Path, help="adapter folder; without it the base model is asked")
    parser.add_argument("--template", type=Path, required=True, help="template.json")
    add_config_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="results to write")
    parser.add_argument("--log", type=Path, required=True, help="everything the harness says")
    args = parser.parse_args()
    with step(args.log):
        from gaslamp.core.threads import prepare_process

        prepare_process()
        from gaslamp.evaluate.harness import run_harness

        run_harness(load_slice(args.config, KEYS), args.model, args.adapters, args.template, args.out, Path("tasks"))


if __name__ == "__main__":
    exit_with_help(main)
