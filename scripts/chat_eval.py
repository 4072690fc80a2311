"""Prompt base and tuned by hand and compare their answers; good ones can be kept as new test rows."""

from __future__ import annotations

from pathlib import Path

from gaslamp.config.base_models import get_model_name
from gaslamp.config.slices import add_config_argument, load_slice, read_merged
from gaslamp.core.cli import get_parser
from gaslamp.core.console import redirected
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.data.rows import can_adapt
from gaslamp.evaluate.prompts import KEPT_ROWS
from gaslamp.train.method import get_artefact, get_method


def main() -> None:
    parser = get_parser(__doc__)
    parser.add_argument("--run", help="name of the run; default: run of config.yaml")
    parser.add_argument(
        "--keep",
        type=Path,
        default=KEPT_ROWS,
        help=f"file that kept rows are appended to; the data phase reads {KEPT_ROWS}",
    )
    parser.add_argument("--max-tokens", type=int, default=256, help="most tokens of an answer, default 256")
    add_config_argument(parser)
    args = parser.parse_args()
    config = read_merged(args.config)
    run = args.run or config.run
    if get_artefact(config.method) != "causal_lm":
        raise GaslampError(
            f"a model of method {config.method} generates no text: it rates or compares texts",
            "read outputs/<run>/eval/report.html instead",
        )
    model = Path("resources/models") / get_model_name(config.model) / "model.json"
    adapters = Path("outputs") / run / "adapters"
    if not adapters.is_dir() or not model.is_file():
        raise GaslampError(
            f"{adapters} does not exist: nothing has been trained",
            "make run trains and evaluates first",
            "another run: RUN=name",
        )
    keep = args.keep if can_adapt("conversation", get_method(config.method).KINDS[0]) else None
    print("loading base and tuned ...", flush=True)
    from gaslamp.core.threads import prepare_process

    prepare_process()
    from gaslamp.evaluate.chat_eval import load_runner, run_chat

    settings, template = load_slice(args.config, ["eval"]), Path("data/template.json")
    with redirected(Path("logs") / run / "chat_eval.log"):
        folders = {"base": None, "tuned": adapters}
        runners = {who: load_runner(model, folder, template, settings) for who, folder in folders.items()}
    count = run_chat(runners, Path("data/card.json"), keep, args.max_tokens)
    if count:
        where = "make run reads them" if args.keep == KEPT_ROWS else f"the data phase reads {KEPT_ROWS}"
        rows = "row" if count == 1 else "rows"
        print(f"\n{count} {rows} kept in {args.keep}: test rows from the next run on ({where})")


if __name__ == "__main__":
    exit_with_help(main)
