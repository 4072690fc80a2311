"""Keep, edit or drop the generated rows on a page in the browser (make review)."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help
from gaslamp.data.generation.facts import CANDIDATES, REVIEW
from gaslamp.data.review.desk import ReviewDesk
from gaslamp.interfaces.label.server import serve


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--port", type=int, default=8090, help="first port tried on 127.0.0.1 (default: 8090)")
    args = parser.parse_args()
    desk = ReviewDesk(Path(CANDIDATES), Path(REVIEW))
    serve(desk, args.port)
    seen = sum(bool(desk.read_state(item)[0]) for item in desk.list_items())
    print(f"{seen} of {len(desk.list_items())} rows are decided; next: make data, or make run")


if __name__ == "__main__":
    exit_with_help(main)
