"""The parity gate: the same prompts through adapter, merged, every GGUF level and the server."""

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help

PATHS = ("model", "adapters", "merged", "toolchain", "test", "template", "ladder", "out", "log")

KEYS = (
    "method",
    "train.options",
    "train.max_length",
    "export.tolerance",
    "export.parity",
    "export.parity_prompts",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in PATHS:
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--gguf", type=Path, nargs="+", required=True, help="GGUF files, f16 among them")
    parser.add_argument(
        "--predictions", type=Path, nargs="+", required=True, help="answers of tuned and of every level"
    )
    parser.add_argument("--companion", type=Path, help="what the files need to be asked: mmproj-f16.gguf or head.json")
    add_config_argument(parser)
    args = parser.parse_args()
    with step(args.log):
        from gaslamp.core.threads import prepare_process

        prepare_process()
        from gaslamp.export.parity.gate import check_parity

        names = [path.name.removesuffix(".predictions.jsonl").removeprefix("gguf-") for path in args.predictions]
        paths = {name: getattr(args, name) for name in PATHS}
        paths["log"] = args.log.with_name("check_parity_server.log")
        predictions = dict(zip(names, args.predictions, strict=True))
        check_parity(
            load_slice(args.config, KEYS), gguf=args.gguf, predictions=predictions, beside=args.companion, **paths
        )


if __name__ == "__main__":
    exit_with_help(main)
