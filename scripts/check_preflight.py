"""Check that this machine can do the whole job, before anything is downloaded or trained; no file when it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gaslamp.config.points import list_own_runs, write_point
from gaslamp.config.slices import add_config_argument, load_slice, read_merged_values, read_stages
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
    """The preflight of the project, with the problems and warnings of its earlier stages, and of the points of a sweep
    that start from another model or with another method: all of them at once.
    """
    problems, warnings, facts = list[GaslampError](), list[tuple[str, str]](), None
    stages = [(f"stage {stage}: ", list(config), stage) for stage in read_stages(config)]
    runs = list_own_runs(read_merged_values(config))
    points = [(f"point {run}: ", [*config, write_point(run)], None) for run in runs]
    for name, files, stage in (*stages, *points, ("", list(config), None)):
        try:
            settings = load_slice(files, KEYS, stage)
            card = Path("data") / (stage or settings.data.part) / "card.json"
            facts = check_preflight(settings, system, env, CHECKS, card)
        except GaslampError as error:
            error.cause = f"{name}{error.cause}"
            problems.append(error)
            continue
        warnings += [(name, warning) for warning in facts.warnings] if name else []
    if len(problems) == 1:
        raise problems[0]
    if problems or facts is None:
        raise GaslampError("\n".join(str(problem) for problem in problems), "fix each, then run the same command")
    facts.warnings += [f"{name}{warning}" for name, warning in warnings if warning not in facts.warnings]
    return facts


if __name__ == "__main__":
    exit_with_help(main)
