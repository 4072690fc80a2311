"""Measure which weights of the f16 file matter, on training rows or a text of yours: the importance matrix."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.errors import exit_with_help
from gaslamp.export.exporters.gguf import build_imatrix

KEYS = ("export.calibration",)


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        source="the f16 GGUF file",
        toolchain="toolchain.json of llama.cpp",
        train="training rows",
        template="template.json",
        model="model.json of the base model",
        out="matrix to write",
    )
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        text = load_slice(args.config, KEYS).export.calibration
        calibration = Path(text).expanduser() if text else None
        build_imatrix(
            args.source, args.toolchain, args.train, args.template, args.model, calibration, args.out, args.log
        )


if __name__ == "__main__":
    exit_with_help(main)
