"""Write the JSON schema of config.yaml, which editors use to complete and check it."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.config import get_schema
from gaslamp.errors import exit_with_help
from gaslamp.files import write_json

SCHEMA = Path(__file__).parent.parent / "workflow" / "schemas" / "config.schema.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=SCHEMA, help="default: workflow/schemas/config.schema.json of this repository")
    args = parser.parse_args()
    write_json(args.out, get_schema())
    print(f"wrote {args.out}")


if __name__ == "__main__":
    exit_with_help(main)
