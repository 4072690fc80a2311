"""Check that this machine can do the whole job, before anything is downloaded or trained; no file when it cannot."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import say, step
from gaslamp.core.errors import exit_with_help
from gaslamp.data.preflight import check_data
from gaslamp.environment.preflight import check_preflight
from gaslamp.export.preflight import check_export
from gaslamp.train.preflight import check_training

CHECKS = (check_data, check_export, check_training)

KEYS = (
    "backend",
    "train_python",
    "method",
    "model",
    "data",
    "train",
    "eval.gate",
    "export.levels",
    "export.formats",
    "export.hub.files",
    "export.imatrix",
    "export.keep_intermediates",
)


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, system="system.json of this machine", env="env.json of the training interpreter")
    add_optional_paths(parser, out="preflight.json to write when nothing blocks; without it nothing is written")
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log):
        facts = check_preflight(load_slice(args.config, KEYS), args.system, args.env, CHECKS)
        if args.out:
            facts.write(args.out)
        say(facts.summary)
        for decision in facts.choice:
            say(f"chosen: {decision.name} {decision.text}")
        for warning in facts.warnings:
            say(f"warning: {warning}")


if __name__ == "__main__":
    exit_with_help(main)
