"""The parity gate: the same prompts through adapter, merged, every GGUF level and the server."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.length import settle_length
from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, add_path_lists, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help

PATHS = {
    "model": "model.json of the base model",
    "adapters": "adapter folder",
    "merged": "folder of the merged model",
    "test": "test rows",
    "template": "template.json",
    "out": "parity.json to write",
}

OF_GGUF = {
    "companion": "companion file of the GGUF files: mmproj-f16.gguf or head.json",
    "toolchain": "toolchain.json of llama.cpp",
    "ladder": "ladder.json",
}

KEYS = (
    "method",
    "train.options",
    "train.max_length",
    "export.tolerance",
    "export.parity",
    "export.parity_prompts",
)


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, **PATHS)
    add_path_lists(parser, predictions="answers of tuned and of every level")
    parser.add_argument(
        "--gguf", type=Path, nargs="*", default=[], help="GGUF files, f16 among them; none: merged alone"
    )
    add_optional_paths(
        parser, card="card.json of the data phase, where it decides how many tokens a text has", **OF_GGUF
    )
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        from gaslamp.core.threads import prepare_process

        prepare_process()
        from gaslamp.export.parity.gate import check_parity

        names = [path.name.removesuffix(".predictions.jsonl").removeprefix("gguf-") for path in args.predictions]
        paths = {name: getattr(args, name) for name in PATHS}
        server_log = args.log.with_name("check_parity_server.log")
        predictions = dict(zip(names, args.predictions, strict=True))
        check_parity(
            settle_length(load_slice(args.config, KEYS), args.card),
            gguf=args.gguf,
            predictions=predictions,
            **{name: getattr(args, name) for name in OF_GGUF},
            log=server_log,
            **paths,
        )


if __name__ == "__main__":
    exit_with_help(main)
