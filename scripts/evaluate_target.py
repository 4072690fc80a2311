"""Prompt the merged model, or a model behind an endpoint, with the same rows as the adapter."""

from __future__ import annotations

from gaslamp.config.length import settle_length
from gaslamp.config.slices import add_config_argument, load_slice
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
    add_optional_paths(parser, merged="folder of the merged model; without it eval.endpoint is prompted")
    add_optional_paths(parser, card="card.json of the data phase, where it decides how many tokens a text has")
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        settings = settle_length(load_slice(args.config, KEYS), args.card)
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
