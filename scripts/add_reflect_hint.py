"""Note a finding while you work (make hint), for the reflection at the end of the run."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.cli import get_parser
from gaslamp.core.document import put_document
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.memory.documents import HintPart, HintsDocument
from gaslamp.memory.hints import PHASE_NAMES, add_hint, read_hints
from gaslamp.memory.recipe_values import read_settings


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("project", type=Path, help="the project folder, usually .")
    phases = ", ".join(f"{number} {name}" for number, name in PHASE_NAMES.items())
    parser.add_argument("--phase", type=int, help=f"{phases}; default: that of the step that ran last")
    parser.add_argument("--hint", help="what was found, in one sentence")
    parser.add_argument("--type", choices=("lesson", "skill", "user"), help="what it is; a lesson when not given")
    parser.add_argument("--set", help="settings that the next project should begin with: 'train.batch_size: 1'")
    parser.add_argument("--when", help="where they hold: 'task=sft AND model_size<=1B'; default: this task and backend")
    parser.add_argument("--list", action="store_true", help="show the hints that are there")
    args = parser.parse_args()
    if not args.project.is_dir():
        raise GaslampError(f"{args.project} is not a folder", "give the project folder, usually .")
    if args.list:
        if args.json:
            put_document(HintsDocument(hints=[HintPart.make(hint) for hint in read_hints(args.project)]))
            return
        for hint in read_hints(args.project):
            print(f"phase {hint.phase}  {hint.type_hint or 'lesson'}  {hint.timestamp}  {hint.hint}")
        return
    if not (args.hint or "").strip():
        raise GaslampError(
            "the hint has no text",
            'make hint HINT="a warm-up of 20 steps stopped the jumps"',
            "make takes a text with = in it only as HINT=...; --list shows the hints",
        )
    hint = add_hint(args.project, args.phase, args.hint, args.type, read_settings(args.set or ""), args.when)
    if args.json:
        put_document(HintsDocument(hints=[HintPart.make(one) for one in read_hints(args.project)]))
        return
    print(f"noted for phase {hint.phase} ({PHASE_NAMES[hint.phase]}): {hint.hint}")
    print("make reflect takes it into the long-term memory; so does the end of the run")


if __name__ == "__main__":
    exit_with_help(main)
