"""Serve a run on this machine: start, stop, or chat in the terminal.

What stands after ``--`` is Snakemake's command, without a target: it measures each level before the start.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.config.base_models import get_model_name
from gaslamp.config.methods import get_pooling
from gaslamp.config.outcome import is_converted
from gaslamp.config.slices import add_config_argument, read_merged
from gaslamp.core.cli import add_json, get_parser, split_command
from gaslamp.core.errors import GaslampError, exit_with_help
from gaslamp.core.places import get_data_folder

if TYPE_CHECKING:
    from gaslamp.config.schema import Config
    from gaslamp.core.contracts import BaseFile
    from gaslamp.serve.server import ChatState


def main() -> None:
    parser = get_parser(__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    start = actions.add_parser("start", help="start the server and open the chat page")
    start.add_argument("--run", help="name of the run (default: as in config.yaml)")
    start.add_argument("--level", help="recommended, f16, q8_0 ... (default: deploy.level)")
    start.add_argument("--port", type=int, help="first port to try (default: deploy.port)")
    start.add_argument("--open", action="store_true", help="open the chat page when a person is at the terminal")
    start.add_argument("--tuned-alone", action="store_true", help="without the base model: keeps the prompt cache")
    add_config_argument(start)
    end = actions.add_parser("stop", help="stop exactly that server")
    talk = actions.add_parser("chat", help="chat with it in the terminal")
    talk.add_argument("--prompt", help="ask this and end; without a server the evaluated model answers, once loaded")
    talk.add_argument("--run", help="of the evaluated model (default: as in config.yaml)")
    talk.add_argument("--max-tokens", type=int, default=256, help="most tokens of an answer to --prompt, default 256")
    add_config_argument(talk)
    for one in (start, end, talk):
        add_json(one)
    own, command = split_command(sys.argv[1:])
    args = parser.parse_args(own)
    if args.action == "start":
        from gaslamp.serve import server

        config = read_merged(args.config)
        if not is_converted(config):
            raise GaslampError(
                f"export.formats: [{', '.join(config.export.formats)}] makes no GGUF file, and only one can be served",
                "add gguf to export.formats in config.yaml and run `make deploy` again: nothing is trained again",
                "serve the merged model with another program: export.formats: [vllm] writes its start script",
            )
        if command:
            from gaslamp.core.foreground import follow

            follow(command, "deploy")
        deploy = config.deploy
        run, level = args.run or config.run, args.level or deploy.level
        options = server.ServeOptions(
            args.port or deploy.port, deploy.context, config.project.name, config.project.domain, args.open
        )
        was_running = is_served()
        if get_pooling(config.method):
            state = server.start_vectors(run, level, options, method=config.method)
        else:
            is_compared = deploy.compare and not args.tuned_alone
            state = server.start(run, level, options, get_base_maker(config, run) if is_compared else None)
        if args.json:
            put_server(was_running, state)
    elif args.action == "stop":
        from gaslamp.serve.server import stop

        was_running = is_served()
        stop()
        if args.json:
            put_server(was_running, None)
    elif args.prompt:
        ask_once(args.prompt, args.run, args.config, args.max_tokens, args.json)
    else:
        if args.json:
            raise GaslampError("a conversation has no JSON form", 'ask one question: make chat JSON=1 PROMPT="..."')
        from gaslamp.serve.chat.terminal import chat

        chat()


def is_served() -> bool:
    """Whether this project serves a model now."""
    from gaslamp.export.llamacpp.background import SERVED, read_state

    return read_state(SERVED) is not None


def put_server(was_running: bool, state: ChatState | None) -> None:
    """Write the document of start and stop."""
    from gaslamp.core.document import put_document
    from gaslamp.serve.documents import ServerDocument
    from gaslamp.serve.server import KEY_FILE

    put_document(
        ServerDocument(
            was_running=was_running,
            run=state["run"] if state else None,
            level=state["level"] if state else None,
            name=state["alias"] if state else None,
            url=f"{state['url']}/v1" if state else None,
            key_file=str(KEY_FILE) if state else None,
        )
    )


def ask_once(prompt: str, run: str | None, config: list[Path], max_tokens: int, is_json: bool) -> None:
    """One question to the served model; without a server to the evaluated one, which is loaded for it."""
    from chat_eval import ask_evaluated
    from gaslamp.core.document import put_document
    from gaslamp.serve.chat.ask import ask_server, print_answers

    if is_served():
        document = ask_server(prompt, max_tokens)
    else:
        print("no server of this project is running: loading the evaluated model ...", flush=True)
        document = ask_evaluated(prompt, run or read_merged(config).run, config, max_tokens, ("tuned",))
    put_document(document) if is_json else print_answers(document)


def get_base_maker(config: Config, run: str) -> Callable[[str], BaseFile]:
    """Level -> the base model's own file: as `make deploy` recorded it, or made now for another level."""
    from gaslamp.core.contracts import BaseFile
    from gaslamp.export.base_file import BaseSources, ensure_base_file

    folder = Path("outputs") / run
    text = config.export.calibration
    sources = BaseSources(
        model=Path("resources") / "models" / get_model_name(config.model) / "model.json",
        template=get_data_folder(run) / "template.json",
        toolchain=Path("resources") / "llama.cpp" / "toolchain.json",
        train=get_data_folder(run) / "train.jsonl",
        calibration=Path(text).expanduser() if text else None,
        test=get_data_folder(run) / "test.jsonl",
        predictions=folder / "eval" / "base.predictions.jsonl",
    )

    def get_base(level: str) -> BaseFile:
        recorded = folder / "base.json"
        if recorded.is_file():
            known = BaseFile.read(recorded)
            if known.level == level and (known.file is None or Path(known.file).is_file()):
                return known
        from gaslamp.core.threads import prepare_process

        prepare_process()
        return ensure_base_file(sources, level, config.export.imatrix, Path("logs") / run / "convert_base.log")

    return get_base


if __name__ == "__main__":
    exit_with_help(main)
