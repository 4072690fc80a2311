"""Print the profile that a run takes when none is named; the reason goes to the standard error, in one line.

A project that trained before keeps its profile: another one would train again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help
from gaslamp.environment.hardware import get_gpus
from gaslamp.environment.profile import get_project_profile
from gaslamp.environment.system import get_apple_chip


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--quiet", action="store_true", help="no reason")
    args = parser.parse_args()
    chip = get_apple_chip()
    machine = {"gpus": get_gpus(), "is_apple_silicon": chip is not None, "apple_chip": chip}
    chosen = get_project_profile(Path(), machine)
    if not args.quiet:
        print(f"profile {chosen.name}: {chosen.reason}; PROFILE=name takes another", file=sys.stderr)
    print(chosen.name)


if __name__ == "__main__":
    exit_with_help(main)
