"""Keep, edit or drop the generated rows on a page in the browser (make review), or with --json as a program."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.document import put_document
from gaslamp.core.errors import exit_with_help
from gaslamp.interfaces.label.desks import open_review_desk
from gaslamp.interfaces.label.program import answer, decide
from gaslamp.interfaces.label.server import serve


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--port", type=int, default=8090, help="first port tried on 127.0.0.1 (default: 8090)")
    parser.add_argument("--decide", type=Path, help="decisions as JSON lines, which are taken instead of a page")
    args = parser.parse_args()
    desk = open_review_desk(Path())
    if args.json:
        put_document(answer(desk, args.decide))
        return
    if args.decide:
        print(f"{decide(desk, args.decide)} rows are decided by {args.decide}")
    else:
        serve(desk, args.port)
    seen = sum(bool(desk.read_state(item)[0]) for item in desk.list_items())
    print(f"{seen} of {len(desk.list_items())} rows are decided; next: make data, or make run")


if __name__ == "__main__":
    exit_with_help(main)
