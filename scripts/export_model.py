"""Write the model in one of the formats of export.formats that are folders of their own (adapter, vllm, sglang, hub ...)."""

import argparse
import os
import shutil
from dataclasses import fields
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core import registry
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.sources import Sources

KEYS = ("project", "method", "train", "export", "deploy.context")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--format", required=True, help="a name from scripts/gaslamp/export/exporters")
    for field in fields(Sources):
        parser.add_argument(
            f"--{field.name}", type=Path, required=True, help=f"see gaslamp.export.sources.Sources.{field.name}"
        )
    add_config_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder to write; it appears complete or not at all")
    parser.add_argument("--log", type=Path, required=True, help="everything the libraries say")
    args = parser.parse_args()
    with step(args.log):
        sources = Sources(**{field.name: getattr(args, field.name) for field in fields(Sources)})
        # beside the folder it becomes, so that relative paths in it are right from the start
        unfinished = args.out.with_name(f".{args.out.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        registry.get("exporters", args.format).export(sources, load_slice(args.config, KEYS), unfinished)
        shutil.rmtree(args.out, ignore_errors=True)
        os.replace(unfinished, args.out)


if __name__ == "__main__":
    exit_with_help(main)
