"""Open the studio, the web face: projects, interview, data, run, results, chat and memory as one local page."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.pin import RECORD
from gaslamp.core.cli import get_parser
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.interfaces.studio.place import get_clone, get_single
from gaslamp.interfaces.studio.server import run_server

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--project", type=Path, help="one project alone; default: all in --folder, and new ones")
    parser.add_argument("--folder", type=Path, default=ROOT / "projects", help="where projects are, default: projects/")
    parser.add_argument("--port", type=int, help="first port to try; default: that of the last time")
    parser.add_argument("--open", action="store_true", help="open the browser when a person is at the terminal")
    args = parser.parse_args()
    if args.project and not (args.project / RECORD).is_file():
        raise GaslampError(
            f"{args.project} is no project: it has no {RECORD}", "name the folder of a project, or leave --project out"
        )
    place = get_single(args.project) if args.project else get_clone(ROOT, args.folder)
    run_server(place, args.port, args.open)


if __name__ == "__main__":
    exit_with_help(main)
