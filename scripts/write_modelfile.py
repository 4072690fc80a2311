"""Write the Ollama Modelfile of the recommended level (rule write_modelfile)."""

from __future__ import annotations

from gaslamp.config.slices import add_config_argument, load_slice
from gaslamp.core.cli import add_log, add_optional_paths, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.contracts import Card, Ladder, Parity, Template
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.core.files import write_text
from gaslamp.export.exporters import ollama
from gaslamp.export.llamacpp.gguf_facts import is_bos_added

KEYS = ("deploy.context", "deploy.level")


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        parity="parity.json: nothing is written when it did not pass",
        ladder="ladder.json",
        template="data/template.json",
        card="data/card.json, for the system prompt of the rows",
        out="the Modelfile, in the folder of the GGUF files",
    )
    add_optional_paths(parser, companion="companion file of a multimodal model: mmproj-f16.gguf")
    add_config_argument(parser)
    add_log(parser)
    args = parser.parse_args()
    settings = load_slice(args.config, KEYS)
    with step(args.log, files=args):
        deploy = settings.deploy
        inputs = Parity.read(args.parity), Ladder.read(args.ladder), Template.read(args.template)
        card, adds_bos = Card.read(args.card), is_bos_added(args.out.with_name("model-f16.gguf"))
        text = ollama.export(
            *inputs,
            deploy.level,
            deploy.context,
            card.system,
            args.companion,
            adds_bos,
            card.system_as_user,
        )
        write_text(args.out, text)
        if problems := ollama.verify(args.out):
            args.out.unlink()
            raise GaslampError(
                f"the Modelfile does not fit the model: {'; '.join(problems)}", "delete outputs/*/gguf and run again"
            )


if __name__ == "__main__":
    exit_with_help(main)
