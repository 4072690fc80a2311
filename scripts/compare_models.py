"""Score base against tuned and write the comparison, the gate and two readable logs."""

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.evaluate.compare import compare_models

OUTPUTS = ("compare", "verdict", "report", "side_by_side", "page")

KEYS = ("method", "eval", "data.slice", "train.rewards")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="predictions of the base model")
    parser.add_argument("--tuned", type=Path, required=True, help="predictions of the tuned model")
    parser.add_argument("--test", type=Path, required=True, help="test rows")
    add_config_argument(parser)
    parser.add_argument("--train", type=Path, help="training rows, to mark test rows that are nearly the same")
    parser.add_argument("--facts", type=Path, help="train.json, for the advice")
    parser.add_argument("--target", default="adapter", help="what the tuned predictions come from")
    parser.add_argument("--lm-eval", type=Path, nargs=2, help="results of lm-evaluation-harness for base and tuned")
    for name in OUTPUTS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True, help=f"{name} file to write")
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    with step(args.log):
        lm_eval = dict(zip(("base", "tuned"), args.lm_eval, strict=True)) if args.lm_eval else None
        outputs = {name: getattr(args, name) for name in OUTPUTS}
        compare_models(
            load_slice(args.config, KEYS),
            args.base,
            args.tuned,
            args.test,
            outputs,
            args.train,
            args.facts,
            args.target,
            lm_eval,
        )


if __name__ == "__main__":
    exit_with_help(main)
