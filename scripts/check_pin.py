"""Compare the pinned rules and code of this project with what was generated; exit code 1 when they were edited."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.pin import check_pin
from gaslamp.core.cli import get_parser
from gaslamp.core.errors import exit_with_help


def main() -> int:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--project", type=Path, default=Path(), help="project folder, default: this one")
    args = parser.parse_args()
    changes = check_pin(args.project)
    if args.json:
        from gaslamp.core.document import put_document
        from gaslamp.guide.documents import PinDocument

        put_document(PinDocument.model_validate(changes))
        return 1 if changes["edited"] or changes["missing"] else 0
    for kind, names in changes.items():
        for name in names:
            print(f"{kind}: {name}")
    if changes["edited"] or changes["missing"]:
        print("the pinned copy was changed; make upgrade FORCE=1 restores it")
        return 1
    print("the pinned copy is as it was generated" + (", plus your own files" if changes["added"] else ""))
    return 0


if __name__ == "__main__":
    exit_with_help(main)
