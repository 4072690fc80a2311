"""Prompt base or tuned with every test row and the retention prompts (greedy unless eval.sampling is set)."""

from __future__ import annotations

from gaslamp.config.length import settle_length
from gaslamp.config.slices import add_config_argument, add_stage_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help

KEYS = ("method", "eval", "train.rewards", "train.options", "train.max_length")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        model="model.json of the base model",
        test="test rows",
        template="template.json",
        out="predictions to write",
    )
    add_optional_paths(parser, adapters="adapter folder (or a whole model); without it the base model is evaluated")
    add_optional_paths(parser, card="card.json of the data phase, where it decides how many tokens a text has")
    parser.add_argument("--rows-only", action="store_true", help="leave the general questions out (a point of a sweep)")
    add_config_argument(parser)
    add_stage_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        from gaslamp.core.threads import PATIENCE, prepare_process

        prepare_process(PATIENCE)
        from gaslamp.evaluate.run import evaluate_model

        settings = settle_length(load_slice(args.config, KEYS, args.stage), args.card)
        evaluate_model(settings, args.model, args.adapters, args.test, args.template, args.out, args.rows_only)


if __name__ == "__main__":
    exit_with_help(main)
