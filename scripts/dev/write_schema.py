"""Write what is generated from the config model: the JSON schema for editors and docs/config.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.config.page import render_config_page
from gaslamp.config.schema import get_schema
from gaslamp.core.errors import exit_with_help
from gaslamp.core.files import write_json, write_text

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "workflow" / "schemas" / "config.schema.json", help="the schema"
    )
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "config.md", help="the page")
    args = parser.parse_args()
    write_json(args.out, get_schema())
    write_text(args.page, render_config_page())
    print(f"wrote {args.out} and {args.page}")


if __name__ == "__main__":
    exit_with_help(main)
