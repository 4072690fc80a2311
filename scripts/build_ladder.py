"""Score every quantization level and recommend one."""

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", type=Path, nargs="+", required=True, help="GGUF files, f16 among them")
    parser.add_argument(
        "--predictions", type=Path, nargs="+", required=True, help="their predictions, in the same order"
    )
    parser.add_argument("--bench", type=Path, required=True, help="bench.json")
    parser.add_argument("--compare", type=Path, required=True, help="compare.json")
    parser.add_argument("--test", type=Path, required=True, help="test rows")
    add_config_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="ladder.json to write")
    parser.add_argument("--plot", type=Path, required=True, help="picture to write: size against score (SVG)")
    parser.add_argument(
        "--page", type=Path, required=True, help="the same as a piece of a page: picture and table (HTML)"
    )
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    with step(args.log):
        ladder = build_ladder(
            load_slice(args.config, KEYS), args.gguf, args.predictions, args.bench, args.compare, args.test, args.out
        )
        write_text(args.plot, render_svg(ladder))
        write_text(args.page, render_fragment(ladder))


if __name__ == "__main__":
    exit_with_help(main)
