"""Write and correct rows by keyboard on a page in the browser (make label), the worst answers of a run first.

With --json or --decide a program does it, without a page.
"""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.load import load_config, read_yaml
from gaslamp.config.methods import get_method
from gaslamp.config.schema import Config
from gaslamp.core.cli import get_parser
from gaslamp.core.document import put_document
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.data.review.desk import LabelDesk
from gaslamp.interfaces.label.program import answer, decide
from gaslamp.interfaces.label.server import serve


def read_without_source(file: Path) -> Config:
    """The config, whose source may be missing: rows are written by hand where there is no data yet."""
    values = read_yaml(file)
    data = values.get("data")
    own = {key: value for key, value in data.items() if key not in ("source", "generate")} if data else {}
    return load_config({**values, "data": own}, file)


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--run", help="whose evaluation decides the order; default: run in config.yaml")
    parser.add_argument("--port", type=int, default=8090, help="first port tried on 127.0.0.1 (default: 8090)")
    parser.add_argument("--decide", type=Path, help="decisions as JSON lines, which are taken instead of a page")
    args = parser.parse_args()
    config = read_without_source(Path("config.yaml"))
    if not config.data.labelled:
        raise GaslampError(
            "data.labelled in config.yaml is null: rows that are written here would not be used",
            "set data.labelled: data/raw/gaslamp-labels.jsonl",
        )
    kind = get_method(config.method).KINDS[0]
    compare = Path("outputs") / (args.run or config.run) / "eval" / "compare.json"
    try:
        desk = LabelDesk(
            Path("data"),
            Path(config.data.labelled),
            kind,
            compare if compare.is_file() else None,
            config.data.system,
            config.data.slice,
        )
    except ValueError as error:
        raise GaslampError(f"method {config.method}: {error}", "write such rows into a file of your own") from error
    if args.json:
        put_document(answer(desk, args.decide))
        return
    if args.decide:
        print(f"{decide(desk, args.decide)} rows are decided by {args.decide}")
    else:
        serve(desk, args.port)
    print(f"{len(desk.store.records)} rows in {config.data.labelled}; next: make data, or make run")


if __name__ == "__main__":
    exit_with_help(main)
