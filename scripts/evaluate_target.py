"""Ask the merged model, or a model behind an endpoint, the same questions as the adapter."""

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
        "--merged", type=Path, help="folder of the merged model; without it the endpoint of the settings is asked"
    )
    parser.add_argument("--test", type=Path, required=True, help="test rows")
    parser.add_argument("--template", type=Path, required=True, help="template.json")
    add_config_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="predictions to write")
    parser.add_argument("--log", type=Path, required=True, help="everything the libraries say")
    args = parser.parse_args()
    with step(args.log):
        settings = load_slice(args.config, KEYS)
        if args.merged:
            from gaslamp.core.threads import prepare_process

            prepare_process()
            from gaslamp.evaluate.run import evaluate_model

            evaluate_model(settings, args.model, args.merged, args.test, args.template, args.out)
        else:
            from gaslamp.evaluate.endpoint import evaluate_endpoint

            evaluate_endpoint(settings, args.model, args.test, args.template, args.out)


if __name__ == "__main__":
    exit_with_help(main)
