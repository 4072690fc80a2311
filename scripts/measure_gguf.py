"""Measure what every level costs and loses: load time, memory, speed, perplexity and KL divergence against f16."""

from __future__ import annotations

from gaslamp.core.cli import add_log, add_path_lists, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.llamacpp.measure import measure_levels


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, toolchain="toolchain.json of llama.cpp", out="bench.json to write")
    add_path_lists(
        parser, gguf="GGUF files, f16 among them", rows="rows whose text is used for perplexity, the test rows first"
    )
    parser.add_argument("--pooling", help="the model gives vectors or scores: only its prompt speed is measured")
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, redirect=False, files=args):
        measure_levels(args.gguf, args.toolchain, args.rows, args.out, args.log, args.pooling)


if __name__ == "__main__":
    exit_with_help(main)
