"""Score every quantization level and recommend one."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_path_lists, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.core.files import write_text
from gaslamp.export.ladder import build_ladder
from gaslamp.export.ladder_page import render_fragment, render_svg

KEYS = (
    "method",
    "data.slice",
    "train.rewards",
    "eval.metrics",
    "eval.options",
    "eval.confidence",
    "eval.slices",
    "export.tolerance",
    "export.imatrix",
    "export.ladder_rows",
)


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        bench="bench.json",
        compare="compare.json",
        test="test rows",
        out="ladder.json to write",
        plot="plot to write: size against score (SVG)",
        page="plot and table as a part of a page (HTML)",
    )
    add_path_lists(parser, gguf="GGUF files, f16 among them", predictions="their predictions, in the same order")
    add_config_argument(parser)
    add_log(parser)
    args = parser.parse_args()
    with step(args.log, files=args, writes=("out", "plot", "page")):
        ladder = build_ladder(
            load_slice(args.config, KEYS), args.gguf, args.predictions, args.bench, args.compare, args.test, args.out
        )
        write_text(args.plot, render_svg(ladder))
        write_text(args.page, render_fragment(ladder))


if __name__ == "__main__":
    exit_with_help(main)
