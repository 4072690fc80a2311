"""Convert the merged model to an unquantized GGUF file."""

from __future__ import annotations

from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.exporters.gguf import export
from gaslamp.models.loading import leave_out_torch


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser, merged="folder of the merged model", toolchain="toolchain.json of llama.cpp", out="GGUF file to write"
    )
    parser.add_argument("--level", default="f16", help="f16, bf16 or f32")
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        leave_out_torch()
        export(args.merged, args.toolchain, args.out, args.log, args.level)


if __name__ == "__main__":
    exit_with_help(main)
