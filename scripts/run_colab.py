"""One step of training on a Colab machine. Not built yet: it says so and writes nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help


def main() -> None:
    from gaslamp.train.backends import colab

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", choices=colab.STEPS, required=True, help="which part of the round trip")
    parser.add_argument("--out", type=Path, required=True, help="file to write when the step is done")
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    with step(args.log):
        colab.run_step(args.step)


if __name__ == "__main__":
    exit_with_help(main)
