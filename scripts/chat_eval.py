"""Prompt base and tuned by hand and compare their answers; good ones can be kept as new test rows.

With --prompt it asks once and ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.config.base_models import get_model_name
from gaslamp.config.slices import add_config_argument, load_slice, read_merged
from gaslamp.core.cli import get_parser
from gaslamp.core.console import redirected
from gaslamp.core.contracts import Card
from gaslamp.core.document import put_document
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.core.places import get_data_folder
from gaslamp.data.rows import can_adapt
from gaslamp.evaluate.prompts import KEPT_ROWS
from gaslamp.serve.chat.ask import print_answers
from gaslamp.serve.documents import AnswerPart, AnswersDocument
from gaslamp.train.method import get_artefact, get_method

if TYPE_CHECKING:
    from gaslamp.config.schema import Config
    from gaslamp.evaluate.generate import ModelRunner


def main() -> None:
    parser = get_parser(__doc__, has_json=True)
    parser.add_argument("--prompt", help="ask this, print both answers, and end")
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
    if args.json and not args.prompt:
        raise GaslampError("a conversation has no JSON form", 'ask one question: make chat-eval JSON=1 PROMPT="..."')
    config = read_merged(args.config)
    run = args.run or config.run
    if args.prompt:
        document = ask_evaluated(args.prompt, run, args.config, args.max_tokens)
        put_document(document) if args.json else print_answers(document)
        return
    model, adapters = get_files(config, run)
    keep = args.keep if can_adapt("conversation", get_method(config.method).KINDS[0]) else None
    print("loading base and tuned ...", flush=True)
    runners = load_runners(model, {"base": None, "tuned": adapters}, run, args.config)
    from gaslamp.evaluate.chat_eval import run_chat

    count = run_chat(runners, get_data_folder(run) / "card.json", keep, args.max_tokens)
    if count:
        where = "make run reads them" if args.keep == KEPT_ROWS else f"the data phase reads {KEPT_ROWS}"
        rows = "row" if count == 1 else "rows"
        print(f"\n{count} {rows} kept in {args.keep}: test rows from the next run on ({where})")


def get_files(config: Config, run: str) -> tuple[Path, Path]:
    """The model's facts and the adapters of a run.

    Raises:
        GaslampError: the model generates no text, or nothing has been trained.
    """
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
    return model, adapters


def load_runners(model: Path, folders: dict[str, Path | None], run: str, config: list[Path]) -> dict[str, ModelRunner]:
    """Each model ready to answer as it is evaluated; what libraries print goes to the log."""
    from gaslamp.core.threads import prepare_process

    prepare_process()
    from gaslamp.evaluate.chat_eval import load_runner

    settings, template = load_slice(config, ["eval"]), get_data_folder(run) / "template.json"
    with redirected(Path("logs") / run / "chat_eval.log"):
        return {who: load_runner(model, folder, template, settings) for who, folder in folders.items()}


def ask_evaluated(
    prompt: str, run: str, config: list[Path], max_tokens: int, who: Sequence[str] = ("base", "tuned")
) -> AnswersDocument:
    """One question to models of a run, loaded as they are evaluated.

    Args:
        prompt: the user's turn.
        run: name of the run.
        config: files of --config.
        max_tokens: of an answer.
        who: of base, tuned.
    """
    model, adapters = get_files(read_merged(config), run)
    folders = {"base": None, "tuned": adapters}
    runners = load_runners(model, {name: folders[name] for name in who}, run, config)
    from gaslamp.evaluate.chat_eval import answer_all

    card = get_data_folder(run) / "card.json"
    found = answer_all(runners, card, prompt, max_tokens)
    system = Card.read(card).system if card.is_file() else None
    answers = [AnswerPart(model=name, text=text, is_complete=done) for name, (text, done) in found.items()]
    return AnswersDocument(prompt=prompt, system=system, source="evaluated", answers=answers)


if __name__ == "__main__":
    exit_with_help(main)
