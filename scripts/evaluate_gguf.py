"""Prompt one GGUF file with the test rows through llama-server."""

from __future__ import annotations

from gaslamp.config.length import settle_length
from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.evaluate_gguf import evaluate_gguf

KEYS = (
    "method",
    "train.options",
    "train.max_length",
    "eval.max_new_tokens",
    "eval.sampling",
    "export.ladder_rows",
)
TARGET_KEYS = ("eval.retention", "eval.retention_file")  # with --known: the retention prompts too


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        gguf="model file",
        toolchain="toolchain.json of llama.cpp",
        test="test rows",
        out="predictions to write",
    )
    add_optional_paths(
        parser,
        known="predictions of the ladder; the remaining rows and the retention prompts are added",
        companion="companion file: mmproj-f16.gguf or head.json",
    )
    add_optional_paths(parser, card="card.json of the data phase, where it decides how many tokens a text has")
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, redirect=False, files=args):
        settings = settle_length(load_slice(args.config, (*KEYS, *(TARGET_KEYS if args.known else ()))), args.card)
        files = args.gguf, args.toolchain, args.test, args.out, args.log
        evaluate_gguf(settings, *files, args.known, args.companion)


if __name__ == "__main__":
    exit_with_help(main)
