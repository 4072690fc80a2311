"""Train the points of a sweep that Optuna steers, one after the other, then every phase of the best (make sweep).

What follows ``--`` is the command of Snakemake.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gaslamp.config.load import read_config
from gaslamp.config.schema import Config
from gaslamp.config.sections.sweep import STEERED
from gaslamp.config.yaml_file import read_yaml
from gaslamp.core.cli import get_parser, split_command
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.core.sweep_contracts import SweepFacts
from pydantic import ValidationError

FACTS = Path("outputs/sweep.json")


def main() -> int:
    parser = get_parser(__doc__)
    own, command = split_command(sys.argv[1:])
    parser.parse_args(own)
    try:  # not the whole check: a sweep that has no point yet does not pass it
        sweep = Config.model_validate(read_yaml(Path("config.yaml"))).sweep
    except ValidationError:
        read_config("config.yaml")
        raise
    if not sweep.is_on:
        raise GaslampError("config.yaml has no sweep", "write sweep.over: docs/sweep.md has an example")
    if sweep.how in STEERED:
        from gaslamp.evaluate.sweep_study import ask, open_study, read_requested, report_results

        study = open_study(sweep)
        while True:
            if read_requested():
                done = subprocess.run([*command, str(FACTS)], check=False)
                if done.returncode:
                    return done.returncode
                report_results(study, SweepFacts.read(FACTS))
            if len(read_requested()) >= sweep.trials or ask(study, sweep) is None:
                break
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    exit_with_help(main)
