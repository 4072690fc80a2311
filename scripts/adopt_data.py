"""Take up a file in data/raw and prepare its rows (make data), or have a model write them (make generate).

It sets data.source, and the method that fits its columns, in config.yaml. At a terminal it asks what the columns mean
when they can mean several things. What stands after ``--`` is Snakemake's command, without a target.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gaslamp.config.slices import read_merged
from gaslamp.core.cli import get_parser, split_command
from gaslamp.core.contracts import Card
from gaslamp.core.document import put_document
from gaslamp.core.errors import exit_with_help
from gaslamp.core.foreground import follow
from gaslamp.data.adopt import adopt, adopt_generated
from gaslamp.data.documents import GeneratedDocument, PreparedDocument
from gaslamp.data.generation.facts import CANDIDATES, FOLDER, Generation

PAGE, CARD, FACTS = "data/report.html", Path("data") / "card.json", Path(FOLDER) / "generation.json"


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--project", type=Path, default=Path(), help="default: the working directory")
    parser.add_argument("--generated", action="store_true", help="the data is what data.generate writes")
    own, command = split_command(sys.argv[1:])
    args = parser.parse_args(own)
    ask = input if sys.stdin.isatty() and sys.stdout.isatty() and not args.json else None
    done = adopt_generated(args.project) if args.generated else adopt(args.project, ask)
    for sentence in done:
        print(sentence, flush=True)
    if not command:
        return
    read_merged([args.project / "config.yaml"])  # its problems are said here, with their lines
    target, then = (
        (CANDIDATES, ": look at them with make review") if args.generated else (PAGE, ": open it in a browser")
    )
    follow(command, target)
    if not args.json:
        print(f"{target}{then}")
    elif args.generated:
        put_document(GeneratedDocument.make(Generation.read(FACTS), done, CANDIDATES))
    else:
        put_document(PreparedDocument.make(Card.read(CARD), done, PAGE))


if __name__ == "__main__":
    exit_with_help(main)
