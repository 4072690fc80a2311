"""Make the companion file of a GGUF model: the vision tower of a multimodal model, the head of a reward model."""

from __future__ import annotations

from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.exporters.gguf import export_companion


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        merged="folder of the merged model",
        toolchain="toolchain.json of llama.cpp",
        out="file to write: mmproj-f16.gguf or head.json",
    )
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        export_companion(args.merged, args.toolchain, args.out, args.log)


if __name__ == "__main__":
    exit_with_help(main)
