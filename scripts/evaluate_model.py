"""Ask base or tuned every test row and the retention questions, greedily."""

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help

KEYS = ("method", "eval", "train.rewards", "train.options", "train.max_length")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="model.json of the base model")
    parser.add_argument(
        "--adapters", type=Path, help="adapter folder (or a whole model); without it the base model is asked"
    )
    parser.add_argument("--test", type=Path, required=True, help="test rows")
    parser.add_argument("--template", type=Path, required=True, help="template.json")
    add_config_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="predictions to write")
    parser.add_argument("--log", type=Path, required=True, help="everything the libraries say")
    args = parser.parse_args()
    with step(args.log):
        from gaslamp.core.threads import prepare_process

        prepare_process()
        from gaslamp.evaluate.run import evaluate_model

        evaluate_model(load_slice(args.config, KEYS), args.model, args.adapters, args.test, args.template, args.out)


if __name__ == "__main__":
    exit_with_help(main)
