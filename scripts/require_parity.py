"""Stop the run when the parity gate failed; parity.json stays, so that its report and its causes can be read."""

from __future__ import annotations

from gaslamp.core.cli import add_log, add_paths, get_parser
from gaslamp.core.console import step
from gaslamp.core.contracts import Parity
from gaslamp.core.errors import exit_with_help
from gaslamp.core.files import write_text
from gaslamp.export.artefacts import require_parity


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(parser, parity="parity.json", out="file to write when the gate passed, or export.parity is warn")
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, files=args):
        parity = Parity.read(args.parity)
        require_parity(parity, "ship")
        write_text(args.out, parity.summary + (f" (override: {parity.override})" if parity.override else "") + "\n")


if __name__ == "__main__":
    exit_with_help(main)
