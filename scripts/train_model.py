"""Train the adapter, or resume an interrupted training of the same data and settings."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path

from gaslamp.config.slices import add_config_argument, add_stage_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.core.processes import get_count, get_log, is_first, run_all
from gaslamp.train.pruning import Pruner
from gaslamp.train.run import train_model

PATHS = {
    "model": "model.json of the base model",
    "train": "training rows",
    "valid": "validation rows",
    "template": "template.json",
    "checkpoints": "folder for checkpoints; it survives failures",
    "metrics": "metrics.jsonl to append to",
    "adapters": "folder to write the adapter to",
    "facts": "train.json to write",
}

KEYS = ("backend", "method", "train", "diagnose")


def main() -> None:
    parser = get_parser(__doc__)
    add_optional_paths(parser, card="card.json of the data phase: how long the rows are")
    add_paths(parser, **PATHS)
    add_config_argument(parser)
    add_stage_argument(parser)
    parser.add_argument("--prune", help="end this point of a sweep early when it is worse than others: a pruner's name")
    parser.add_argument("--others", type=Path, nargs="*", default=[], help="metrics.jsonl of these others")
    add_log(parser, required=True)
    args = parser.parse_args()
    settings = load_slice(args.config, KEYS, args.stage)
    if settings.train.processes > 1 and get_count() == 1:
        sys.exit(run_all(settings.train.processes, sys.argv))
    if not is_first():  # all output of the other processes goes to logs of their own
        with get_log(args.log).open("a", encoding="utf-8") as handle:
            os.dup2(handle.fileno(), 1)
            os.dup2(handle.fileno(), 2)
    with step(args.log, files=args, writes=("adapters", "facts")) if is_first() else nullcontext():
        pruner = Pruner(args.prune, args.others) if args.prune else None
        train_model(settings, **{name: getattr(args, name) for name in PATHS}, card=args.card, pruner=pruner)


if __name__ == "__main__":
    exit_with_help(main)
