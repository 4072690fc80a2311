"""Score base against tuned; write the comparison, the gate, a page and two text reports."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import add_config_argument, add_stage_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.evaluate.compare import compare_models

OUTPUTS = {
    "compare": "compare.json to write",
    "verdict": "verdict.json to write: the gate",
    "report": "every figure as text, to write",
    "side_by_side": "answers of base and tuned side by side, to write",
    "page": "the evaluation page to write",
}

KEYS = ("method", "eval", "diagnose.answers", "data.slice", "train.rewards")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, base="predictions of the base model", tuned="predictions of the tuned model", test="test rows")
    add_optional_paths(
        parser,
        train="training rows, to mark test rows that are nearly the same",
        facts="train.json, for the advice",
    )
    parser.add_argument(
        "--rivals", type=Path, nargs="+", default=[], help="NAME.predictions.jsonl of base models with better prompts"
    )
    parser.add_argument(
        "--seeds",
        type=Path,
        nargs="+",
        default=[],
        help="RUN/eval/tuned.predictions.jsonl of trainings with other seeds",
    )
    parser.add_argument("--target", default="adapter", help="what the tuned predictions come from")
    parser.add_argument("--lm-eval", type=Path, nargs=2, help="results of lm-evaluation-harness for base and tuned")
    add_paths(parser, **OUTPUTS)
    add_config_argument(parser)
    add_stage_argument(parser)
    add_log(parser)
    args = parser.parse_args()
    with step(args.log, files=args, writes=tuple(OUTPUTS)):
        lm_eval = dict(zip(("base", "tuned"), args.lm_eval, strict=True)) if args.lm_eval else None
        outputs = {name: getattr(args, name) for name in OUTPUTS}
        settings, rows = load_slice(args.config, KEYS, args.stage), (args.base, args.tuned, args.test)
        rivals = {file.name.partition(".")[0]: file for file in args.rivals}
        seeds = {file.parents[1].name: file for file in args.seeds}
        compare_models(settings, *rows, outputs, args.train, args.facts, args.target, lm_eval, rivals, seeds)


if __name__ == "__main__":
    exit_with_help(main)
