"""What is remembered between projects (make memory): list, forget, export, import, apply to this project, undo."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.document import put_document
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.memory.apply import apply_memory, read_applied, undo
from gaslamp.memory.defaults import get_defaults
from gaslamp.memory.documents import AppliedPart, EntryPart, MemoryDocument
from gaslamp.memory.overview import render_memory
from gaslamp.memory.snapshot import get_home
from gaslamp.memory.store import export_memory, forget, import_memory, list_entries


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--project", type=Path, help="a project folder, for --apply and --undo, and for what it uses")
    parser.add_argument("--backend", help="the profile that the project runs with, default: backend in config.yaml")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--forget", metavar="ID", nargs="+", help="delete entries, by as much of the id as is clear")
    group.add_argument("--export", type=Path, metavar="FILE", help="lessons and recipes as one file, for a team")
    group.add_argument("--import", type=Path, metavar="FILE", dest="source", help="merge such a file; nothing is lost")
    group.add_argument("--apply", action="store_true", help="write what matches into config.yaml of --project")
    group.add_argument("--undo", metavar="ID", help="take back what a recipe wrote into config.yaml of --project")
    args = parser.parse_args()
    home = get_home()
    done = act(args, home)
    applied = read_applied(args.project) if args.project else []
    shown = "$GASLAMP_HOME" if os.environ.get("GASLAMP_HOME") else "~/.gaslamp"
    entries = list_entries(home)
    if args.json:
        parts = [EntryPart.make(entry) for kind in entries for entry in entries[kind]]
        used = [AppliedPart.make(record) for record in applied]
        put_document(MemoryDocument(home=shown, done=done, entries=parts, applied=used))
    else:
        print("\n".join(done) or render_memory(entries, applied, shown))


def act(args: argparse.Namespace, home: Path) -> list[str]:
    """Do what the command line says; what was done, as lines to print."""
    if args.forget:
        names = [name for text in args.forget for name in re.split(r"[,\s]+", text) if name]
        return [
            f"forgotten: {entry.title} ({entry.candidate_id}); projects that it was applied to keep it"
            for entry in forget(home, names)
        ]
    if args.export:
        count = export_memory(home, args.export)
        return [f"{args.export}: {count} lessons and recipes; facts about you stay here"]
    if args.source:
        done = import_memory(home, args.source)
        return [f"{done.new} new, {done.known} known or about another person, {done.archived} of the oldest archived"]
    if args.apply or args.undo:
        if args.project is None:
            raise GaslampError("this needs a project", "run it in a project folder, or PROJECT=name make memory ...")
        return change(args.project, home, args.backend, args.undo)
    return []


def change(project: Path, home: Path, backend: str | None, recipe: str | None) -> list[str]:
    """Apply what matches, or take ``recipe`` back; the lines to print."""
    if recipe:
        return undo(project, recipe)
    lines = apply_memory(project, home, backend, get_defaults())
    return lines or ["no recipe matches this project that is not applied already"]


if __name__ == "__main__":
    exit_with_help(main)
