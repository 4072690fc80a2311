"""Check that this machine can do the whole job, before anything is downloaded or trained; no file when it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice, read_stages
from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import say, step
from gaslamp.core.contracts import Preflight
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.data.preflight import check_data
from gaslamp.environment.preflight import check_preflight
from gaslamp.export.preflight import check_export
from gaslamp.remote.preflight import check_remote
from gaslamp.train.preflight import check_training

CHECKS = (check_remote, check_data, check_export, check_training)

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
    "remote",
)


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, system="system.json of this machine", env="env.json of the training interpreter")
    add_optional_paths(parser, out="preflight.json to write when nothing blocks; without it nothing is written")
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        facts = check_stages(args.config, args.system, args.env)
        if args.out:
            facts.write(args.out)
        say(facts.summary)
        if facts.power:
            say(facts.power)
        for decision in facts.choice:
            say(f"chosen: {decision.name} {decision.text}")
        for warning in facts.warnings:
            say(f"warning: {warning}")


def check_stages(config: Sequence[Path], system: Path, env: Path) -> Preflight:
    """The preflight of the project, with the problems and warnings of its earlier stages: all of them at once."""
    problems, warnings, facts = list[GaslampError](), list[tuple[str, str]](), None
    for stage in (*read_stages(config), None):
        try:
            facts = check_preflight(
                load_slice(config, KEYS, stage), system, env, CHECKS, Path("data") / (stage or "") / "card.json"
            )
        except GaslampError as error:
            error.cause = f"stage {stage}: {error.cause}" if stage else error.cause
            problems.append(error)
            continue
        warnings += [(stage, warning) for warning in facts.warnings] if stage else []
    if len(problems) == 1:
        raise problems[0]
    if problems or facts is None:
        raise GaslampError("\n".join(str(problem) for problem in problems), "fix each, then run the same command")
    facts.warnings += [f"stage {stage}: {warning}" for stage, warning in warnings if warning not in facts.warnings]
    return facts


if __name__ == "__main__":
    exit_with_help(main)
