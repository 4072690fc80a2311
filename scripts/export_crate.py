"""Write a finished run as one archive to check and to repeat elsewhere, a Workflow Run RO-Crate (make export-crate)."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.console import get_size
from gaslamp.core.errors import exit_with_help
from gaslamp.report.crate import find_private, write_crate


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--out", type=Path, help="the .zip (default: outputs/<run>/crate.zip)")
    parser.add_argument("--light", action="store_true", help="without weights: the adapter and the GGUF by hash alone")
    args = parser.parse_args()
    out = args.out or Path("outputs") / args.run / "crate.zip"
    parts = write_crate(args.run, out, has_weights=not args.light)
    left = [part.name for part in parts if not part.is_sent]
    print(f"{out}: {get_size(out.stat().st_size)}, {len(parts) - len(left)} files and folders of run {args.run}")
    print(f"by hash alone: {', '.join(left)}")
    if given := [part.name for part in parts if part.is_input]:
        print(f"your own files in it, which whoever gets it can read: {', '.join(given)}")
    if private := find_private(parts):
        print(f"these name folders of this machine: {', '.join(private)}")
    print(f"to repeat the run from it, in a clone of the repository: make reproduce FROM={out}")


if __name__ == "__main__":
    exit_with_help(main)
