"""Note a finding while you work, for the reflection at the end of the run."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.memory.hints import PHASE_NAMES, add_hint, read_hints


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("project", type=Path, help="the project folder, usually .")
    parser.add_argument("--phase", type=int, help=", ".join(f"{number} {name}" for number, name in PHASE_NAMES.items()))
    parser.add_argument("--hint", help="what was found, in one sentence")
    parser.add_argument("--type", choices=("lesson", "skill", "user"), help="what it is; a lesson when not given")
    parser.add_argument("--list", action="store_true", help="show the hints that are there")
    args = parser.parse_args()
    if not args.project.is_dir():
        raise GaslampError(f"{args.project} is not a folder", "give the project folder, usually .")
    if args.list:
        for hint in read_hints(args.project):
            print(f"phase {hint.phase}  {hint.type_hint or 'lesson'}  {hint.timestamp}  {hint.hint}")
        return
    if args.phase is None or args.hint is None:
        raise GaslampError(
            "--phase and --hint are both needed",
            'add_reflect_hint.py . --phase 3 --hint "..."',
            "--list shows the hints",
        )
    hint = add_hint(args.project, args.phase, args.hint, args.type)
    print(f"noted for phase {hint.phase}: {hint.hint}")


if __name__ == "__main__":
    exit_with_help(main)
