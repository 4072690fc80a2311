"""Write the model in a format that is a folder of its own: adapter, vllm, sglang, hub ..."""

from __future__ import annotations

import os
import shutil
from dataclasses import fields

from gaslamp.config.length import settle_length
from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core import registry
from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.artefacts import RunFiles

KEYS = ("project", "method", "train", "export", "deploy.context")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, out="folder to write; it appears complete or not at all")
    parser.add_argument("--format", required=True, help="a name from scripts/gaslamp/export/exporters")
    add_paths(
        parser, **{field.name: f"see gaslamp.export.artefacts.RunFiles.{field.name}" for field in fields(RunFiles)}
    )
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        run = RunFiles(**{field.name: getattr(args, field.name) for field in fields(RunFiles)})
        # in the folder of the result, so that relative paths in it are right from the start
        unfinished = args.out.with_name(f".{args.out.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        settings = settle_length(load_slice(args.config, KEYS), args.card)
        registry.get("exporters", args.format).export(run, settings, unfinished)
        shutil.rmtree(args.out, ignore_errors=True)
        os.replace(unfinished, args.out)


if __name__ == "__main__":
    exit_with_help(main)
