"""Recompute the hashes of a run, from rows to GGUF files, and name the first that does not fit (make verify)."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.document import put_document
from gaslamp.core.errors import exit_with_help
from gaslamp.report.documents import VerifiedDocument
from gaslamp.report.verify import verify_run


def main() -> int:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--file", type=Path, help="a GGUF file from elsewhere: is it one of this run's?")
    args = parser.parse_args()
    links = verify_run(args.run, args.file)
    if args.json:
        document = VerifiedDocument.make(args.run, links)
        put_document(document)
        return 1 if document.problem else 0
    for link in links:
        state = "does not fit" if link.wrong else "fits"
        gone = f"; not there any more: {', '.join(link.gone)}" if link.gone else ""
        print(f"{link.record}: {state}, {len(link.fits)} checked{gone}")
        for text in link.wrong:
            print(f"  {text}")
    first = next((link for link in links if link.wrong), None)
    if first:
        print(f"the first that does not fit: {first.wrong[0]}")
        return 1
    print(f"run {args.run} is what its records say, from the rows to the files that ship")
    return 0


if __name__ == "__main__":
    exit_with_help(main)
