"""Quantize the 16-bit GGUF file to one level."""

from __future__ import annotations

from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.exporters.gguf import quantize


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, source="16-bit GGUF file", toolchain="toolchain.json of llama.cpp", out="GGUF file to write")
    add_optional_paths(parser, imatrix="importance matrix")
    parser.add_argument("--level", required=True, help="such as q8_0 or q4_k_m")
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        quantize(args.source, args.toolchain, args.level, args.out, args.log, args.imatrix)


if __name__ == "__main__":
    exit_with_help(main)
