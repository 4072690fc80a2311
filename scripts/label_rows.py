"""Write and correct rows by keyboard on a page in the browser (make label), the worst answers of a run first.

With --json or --decide a program does it, without a page.
"""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.document import put_document
from gaslamp.core.errors import exit_with_help
from gaslamp.interfaces.label.desks import open_label_desk
from gaslamp.interfaces.label.program import answer, decide
from gaslamp.interfaces.label.server import serve


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--run", help="whose evaluation decides the order; default: run in config.yaml")
    parser.add_argument("--port", type=int, default=8090, help="first port tried on 127.0.0.1 (default: 8090)")
    parser.add_argument("--decide", type=Path, help="decisions as JSON lines, which are taken instead of a page")
    args = parser.parse_args()
    desk = open_label_desk(Path(), args.run)
    if args.json:
        put_document(answer(desk, args.decide))
        return
    if args.decide:
        print(f"{decide(desk, args.decide)} rows are decided by {args.decide}")
    else:
        serve(desk, args.port)
    print(f"{len(desk.store.records)} rows in {desk.store.path}; next: make data, or make run")


if __name__ == "__main__":
    exit_with_help(main)
