"""The command `gaslamp`: `gaslamp mcp` serves a project to an agent. A project's own pinned code does the work."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gaslamp import __version__
from gaslamp.config.pin import read_record
from gaslamp.core.cli import get_parser
from gaslamp.core.errors import GaslampError, exit_with_help


def find_command(project: Path) -> list[str]:
    """Interpreter and script that serve ``project``: its own ones, of the version that made it.

    Raises:
        GaslampError: the folder is no project, or of a version without MCP.
    """
    read_record(project)
    script = project.resolve() / "scripts" / "serve_mcp.py"
    if not script.is_file():
        raise GaslampError(f"{project} was made by a version without MCP", "make upgrade")
    own = project.resolve() / ".venv" / "bin" / "python"
    return [str(own) if own.is_file() else sys.executable, str(script), f"--project={project.resolve()}"]


def main() -> None:
    """Parse the command line and become the server."""
    parser = get_parser(__doc__)
    parser.prog = "gaslamp"
    parser.add_argument("--version", action="version", version=f"gaslamp {__version__}")
    actions = parser.add_subparsers(dest="action", required=True)
    serve = actions.add_parser("mcp", help="serve a project over MCP, on the standard input and output")
    serve.add_argument("--project", type=Path, default=Path(), help="project folder, default: this one")
    command = find_command(parser.parse_args().project)
    os.execv(command[0], command)


def run() -> None:
    """Entry point of the console command and of ``python -m gaslamp``."""
    exit_with_help(main)
