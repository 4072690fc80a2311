"""Fold the adapter into the base model and save it in 16 bit; a failed evaluation gate stops it."""

import argparse
from pathlib import Path

from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.evaluate.gate import require


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verdict", type=Path, required=True, help="gate of the evaluation")
    parser.add_argument("--model", type=Path, required=True, help="model.json of the base model")
    parser.add_argument("--adapters", type=Path, required=True, help="adapter folder")
    parser.add_argument("--template", type=Path, required=True, help="template.json")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--log", type=Path, required=True, help="everything the libraries say")
    args = parser.parse_args()
    with step(args.log):
        require(args.verdict)
        from gaslamp.core.threads import prepare_process

        prepare_process()
        from gaslamp.export.exporters.merged import export

        export(args.model, args.adapters, args.template, args.out)


if __name__ == "__main__":
    exit_with_help(main)
