"""Compare the pinned copy of rules and code in this project with the record of its making; exit 1 when it was edited."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.config.scaffold import check_pin
from gaslamp.core.errors import exit_with_help


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=Path(), help="project folder, default: this one")
    changes = check_pin(parser.parse_args().project)
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
