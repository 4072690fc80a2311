"""Ask base and tuned by hand and see both answers; good ones can be kept as new test rows."""

import argparse
import sys
from pathlib import Path

from gaslamp.config import get_slice, parse_slice, read_config
from gaslamp.console import redirected, say
from gaslamp.errors import GaslampError, exit_with_help
from gaslamp.models import get_model_name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", help="name of the run; default: run of config.yaml")
    parser.add_argument("--keep", type=Path, default=Path("data/kept_rows.jsonl"), help="file that kept rows are appended to")
    parser.add_argument("--max-tokens", type=int, default=256, help="most tokens of an answer")
    args = parser.parse_args()
    config = read_config("config.yaml")
    run = args.run or config.run
    model, adapters = Path("resources/models") / get_model_name(config.model) / "model.json", Path("outputs") / run / "adapters"
    if not adapters.is_dir() or not model.is_file():
        raise GaslampError(f"{adapters} is not there: nothing has been trained", "make run trains and evaluates first", "another run: RUN=name")
    from gaslamp.evaluation.chat_eval import get_asker, run_chat

    settings, template = parse_slice(get_slice(config, "eval")), Path("data/template.json")
    print("loading base and tuned ...", flush=True)
    with redirected("chat-eval", Path("logs") / run / "chat_eval.log"):
        askers = {who: get_asker(model, folder, template, settings) for who, folder in (("base", None), ("tuned", adapters))}
        say("ready")

    def read(prompt: str) -> str:
        print(prompt, end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\n")

    count = run_chat(askers, Path("data/card.json"), args.keep, args.max_tokens, read, print)
    if count:
        print(f"\n{count} rows in {args.keep}: put them beside your data (data.source a folder with both files), and they are test rows from the next run on")


if __name__ == "__main__":
    exit_with_help(main)
