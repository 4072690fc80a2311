"""Prompt the base model in a better way, as a rival of tuned: with training rows, or with the format in words."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help

KEYS = ("method", "eval", "train.rewards", "train.options")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        model="model.json of the base model",
        base="predictions of the base model, for its limits and its time",
        test="test rows",
        train="training rows, of which some are shown",
        template="template.json",
        out="predictions to write",
    )
    parser.add_argument("--rival", choices=["few_shot", "format"], required=True, help="how the base model is prompted")
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        from gaslamp.core.threads import prepare_process

        prepare_process()
        from gaslamp.evaluate.rival_run import evaluate_rival

        settings = load_slice(args.config, KEYS)
        evaluate_rival(settings, args.rival, args.model, args.base, args.test, args.train, args.template, args.out)


if __name__ == "__main__":
    exit_with_help(main)
