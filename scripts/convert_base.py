"""Make the base model's own GGUF file at the level that is served, in the user's cache, for the chat page."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.contracts import Ladder
from gaslamp.core.errors import exit_with_help
from gaslamp.export.base_file import BaseSources, ensure_base_file

KEYS = ("deploy.level", "export.calibration", "export.imatrix")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        model="model.json of the base model",
        template="template.json",
        toolchain="toolchain.json of llama.cpp",
        train="training rows, for an importance matrix",
        test="test rows",
        predictions="the base model's answers in the evaluation",
        ladder="ladder.json: the level that is recommended",
        out="facts to write",
    )
    add_config_argument(parser)
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        from gaslamp.core.threads import prepare_process

        prepare_process()
        settings = load_slice(args.config, KEYS)
        level = settings.deploy.level
        level = Ladder.read(args.ladder).recommended if level == "recommended" else level
        text = settings.export.calibration
        calibration = Path(text).expanduser() if text else None
        files = args.model, args.template, args.toolchain, args.train, calibration, args.test, args.predictions
        ensure_base_file(BaseSources(*files), level, settings.export.imatrix, args.log).write(args.out)


if __name__ == "__main__":
    exit_with_help(main)
