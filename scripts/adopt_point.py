"""Take a point of a sweep over into config.yaml (make adopt RUN=name)."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help
from gaslamp.guide.adopt_point import plan_adoption, write_adoption


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--run", required=True, help="name of the point, as outputs/sweep.html lists it")
    parser.add_argument("--dry-run", action="store_true", help="show the change, and write nothing")
    args = parser.parse_args()
    planned = plan_adoption(Path(), args.run)
    print("\n".join(planned.diff))
    if not args.dry_run:
        write_adoption(Path(), planned)
        print(f"config.yaml describes run {planned.run} now; the other points keep their files (RUN=name)")


if __name__ == "__main__":
    exit_with_help(main)
