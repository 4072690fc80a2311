"""Serve this project to an agent over MCP, on the standard input and output (make mcp, gaslamp mcp)."""

from __future__ import annotations

import os
from pathlib import Path

from gaslamp.config.pin import read_record
from gaslamp.core.cli import get_parser
from gaslamp.core.errors import GaslampError, exit_with_help


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--project", type=Path, default=Path(), help="project folder, default: this one")
    args = parser.parse_args()
    read_record(args.project)
    try:
        import mcp  # noqa: F401
    except ImportError as error:
        raise GaslampError("the package mcp is not installed here", "make setup EXTRA=mcp") from error
    os.chdir(args.project)
    from gaslamp.interfaces.mcp.server import make_server

    make_server(Path()).run("stdio")


if __name__ == "__main__":
    exit_with_help(main)
