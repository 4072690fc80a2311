"""Remember what a run taught, a failed one too (rule reflect, and make reflect).

Without paths it reads what the run has recorded until now.
"""

from __future__ import annotations

import json
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.document import put_document
from gaslamp.core.errors import exit_with_help
from gaslamp.memory.documents import ReflectionDocument
from gaslamp.memory.reflect import fill_memory, get_candidates, keep_speed, read_payload, reflect
from gaslamp.memory.run_facts import get_paths, read_facts
from gaslamp.memory.wording import word

KEYS = ("project", "method", "model", "backend", "train", "reflect")
FACTS = ("system", "preflight", "model", "card", "train", "compare", "ladder", "metrics", "phases")


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--run", default="main", help="name of the run, default: main")
    add_optional_paths(
        parser,
        payload="written: every entry with its outcome, default: outputs/<run>/reflection/latest.json",
        decisions="written: the same as a table, default: outputs/<run>/reflection/latest.md",
        input="take the entries from this payload instead of the facts",
        **dict.fromkeys(FACTS, "default: where the run puts it"),
    )
    parser.add_argument("--extract", action="store_true", help="print the candidates as JSON and stop")
    parser.add_argument("--dry-run", action="store_true", help="write nothing to the long-term memory")
    add_config_argument(parser)
    add_log(parser)
    args = parser.parse_args()
    settings = load_slice(args.config, KEYS)
    given = {name: path for name in FACTS if (path := vars(args)[name])}
    facts = read_facts({**get_paths(args.run, settings.model), **given}, settings, args.run)
    entries = read_payload(args.input) if args.input else get_candidates(facts, settings)
    if args.extract:
        print(json.dumps([entry.model_dump() for entry in entries], indent=2, ensure_ascii=False))
        return
    folder = Path("outputs") / args.run / "reflection"
    with step(args.log):
        fill_memory(facts, settings)
        if not args.dry_run and not args.input:
            keep_speed(facts, settings)
        if not args.input:
            entries = word(entries, settings.reflect.llm)
        payload, decisions = args.payload or folder / "latest.json", args.decisions or folder / "latest.md"
        outcomes = reflect(entries, settings, payload, decisions, args.dry_run)
    if args.json:
        written = settings.reflect.write and not args.dry_run
        put_document(ReflectionDocument(is_written=written, payload=str(payload), outcomes=outcomes))


if __name__ == "__main__":
    exit_with_help(main)
