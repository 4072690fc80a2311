"""Serve a run on this machine: start, stop, or chat in the terminal."""

from __future__ import annotations

from gaslamp.config.outcome import is_converted
from gaslamp.config.slices import add_config_argument, read_merged
from gaslamp.core.cli import get_parser
from gaslamp.core.errors import GaslampError, exit_with_help


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
    actions.add_parser("stop", help="stop exactly that server")
    actions.add_parser("chat", help="chat with it in the terminal")
    args = parser.parse_args()
    if args.action == "start":
        from gaslamp.serve import server
        from gaslamp.train.method import get_pooling

        config = read_merged(args.config)
        if not is_converted(config):
            raise GaslampError(
                f"export.formats: [{', '.join(config.export.formats)}] makes no GGUF file, and only one can be served",
                "add gguf to export.formats in config.yaml and run `make deploy` again: nothing is trained again",
                "serve the merged model with another program: export.formats: [vllm] writes its start script",
            )
        deploy = config.deploy
        level, port = args.level or deploy.level, args.port or deploy.port
        what = args.run or config.run, level, port, deploy.context, config.project.name
        if get_pooling(config.method):
            server.start_vectors(*what, method=config.method)
        else:
            server.start(
                *what, args.open, compare=deploy.compare and not args.tuned_alone, domain=config.project.domain
            )
    elif args.action == "stop":
        from gaslamp.serve.server import stop

        stop()
    else:
        from gaslamp.serve.chat.terminal import chat

        chat()


if __name__ == "__main__":
    exit_with_help(main)
