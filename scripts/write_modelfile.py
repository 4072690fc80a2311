"""Write the Ollama Modelfile of the recommended level (rule write_modelfile)."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.console import step
from gaslamp.core.contracts import Card, Ladder, Parity, Template
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.core.files import write_text
from gaslamp.export.exporters import ollama

KEYS = ("deploy.context", "deploy.level")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--parity", type=Path, required=True, help="parity.json: nothing is written when it did not pass"
    )
    parser.add_argument("--ladder", type=Path, required=True, help="ladder.json")
    parser.add_argument("--companion", type=Path, help="the second file of a model that sees")
    parser.add_argument("--template", type=Path, required=True, help="data/template.json")
    parser.add_argument("--card", type=Path, required=True, help="data/card.json, for the system prompt of the rows")
    add_config_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="the Modelfile, in the folder of the GGUF files")
    parser.add_argument("--log", type=Path, help="everything else that is printed")
    args = parser.parse_args()
    settings = load_slice(args.config, KEYS)
    with step(args.log):
        deploy = settings.deploy
        inputs = Parity.read(args.parity), Ladder.read(args.ladder), Template.read(args.template)
        write_text(
            args.out, ollama.export(*inputs, deploy.level, deploy.context, Card.read(args.card).system, args.companion)
        )
        if problems := ollama.verify(args.out):
            args.out.unlink()
            raise GaslampError(
                f"the Modelfile does not fit the model: {'; '.join(problems)}", "delete outputs/*/gguf and run again"
            )


if __name__ == "__main__":
    exit_with_help(main)
