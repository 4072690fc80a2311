"""Write the merged model in Apple's format; runs with the Python of .venv-mlx, for exporters/mlx."""

from __future__ import annotations

from gaslamp.core.cli import add_paths, get_parser
from gaslamp.core.contracts import Template
from gaslamp.core.errors import exit_with_help
from gaslamp.core.files import write_json
from gaslamp.train.mlx.checkpoints import convert


def main() -> None:
    parser = get_parser(__doc__)
    add_paths(
        parser,
        merged="Hugging Face folder",
        template="template.json, whose example is the prompt of the check",
        out="folder for 16bit, 8bit, 4bit and mlx.json",
    )
    parser.add_argument("--bits", type=int, nargs="+", default=[16, 8, 4], help="16 keeps the weights as they are")
    args = parser.parse_args()
    ids = Template.read(args.template).example_ids
    write_json(
        args.out / "mlx.json",
        {f"{bits}bit": convert(args.merged, args.out / f"{bits}bit", bits, ids) for bits in args.bits},
    )


if __name__ == "__main__":
    exit_with_help(main)
