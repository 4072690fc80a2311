"""Convert the adapter alone to GGUF, for a server that answers with and without it."""

from __future__ import annotations

from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.exporters.lora_gguf import export


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        model="model.json of the base model",
        adapters="PEFT folder of the adapter",
        toolchain="toolchain.json of llama.cpp",
        out="folder to write: adapter.gguf and lora.json",
    )
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        export(args.model, args.adapters, args.toolchain, args.out, args.log)


if __name__ == "__main__":
    exit_with_help(main)
