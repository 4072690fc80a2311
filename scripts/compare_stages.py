"""Score what each stage gave: the answers of its model to the test rows of the last stage."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_path_lists, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.evaluate.stages import compare_stages

STAGE_KEYS = ("method", "model", "data", "eval")
KEYS = ("method", "eval.metrics", "eval.options", "eval.confidence", "train.rewards", "data.slice")


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--stages", nargs="+", required=True, help="names of the stages, first things first")
    add_path_lists(
        parser,
        answers="predictions of the base model, then of the model after each stage",
        facts="train.json of each stage",
        cards="card.json of each stage",
        compares="compare.json of each stage but the last",
    )
    add_paths(parser, test="test rows of the last stage", out="stages.json to write")
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        settings = load_slice(args.config, KEYS)
        configs = [load_slice(args.config, STAGE_KEYS, name).dump() for name in args.stages[:-1]]
        files = args.answers, args.test, args.facts, args.cards, args.compares
        compare_stages(settings, configs, args.stages, *files, args.out)


if __name__ == "__main__":
    exit_with_help(main)
