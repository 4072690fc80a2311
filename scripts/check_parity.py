"""The parity gate: the same prompts through adapter, merged, every GGUF level and the server."""

import argparse
from pathlib import Path

from gaslamp.config.schema import parse_slice
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help

PATHS = ("model", "adapters", "merged", "toolchain", "test", "template", "ladder", "out", "log")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in PATHS:
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--gguf", type=Path, nargs="+", required=True, help="GGUF files, f16 among them")
    parser.add_argument(
        "--predictions", type=Path, nargs="+", required=True, help="answers of tuned and of every level"
    )
    parser.add_argument("--beside", type=Path, help="what the files need to be asked: mmproj-f16.gguf or head.json")
    parser.add_argument("--settings", required=True, help="JSON with method, train and export")
    args = parser.parse_args()
    with step("parity", args.log):
        from gaslamp.core.threads import prepare_process

        prepare_process()
        from gaslamp.export.parity.gate import check_parity

        names = [path.name.removesuffix(".predictions.jsonl").removeprefix("gguf-") for path in args.predictions]
        paths = {name: getattr(args, name) for name in PATHS}
        paths["log"] = args.log.with_name("check_parity_server.log")
        predictions = dict(zip(names, args.predictions, strict=True))
        check_parity(parse_slice(args.settings), gguf=args.gguf, predictions=predictions, beside=args.beside, **paths)


if __name__ == "__main__":
    exit_with_help(main)
