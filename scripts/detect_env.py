"""Check that every package of the backend is installed and loads. Run it with the Python that trains."""

from __future__ import annotations

import json
import sys

from gaslamp.core import registry
from gaslamp.core.cli import add_log, add_optional_paths, get_parser
from gaslamp.core.console import say, step
from gaslamp.core.errors import exit_with_help
from gaslamp.core.files import write_json
from gaslamp.environment.python_env import describe_env, detect_env, get_env_error


def main() -> int:
    parser = get_parser(__doc__)
    add_optional_paths(parser, out="env.json to write when the packages are there; without it the JSON is printed")
    parser.add_argument("--backend", default="cpu", help="a name from scripts/gaslamp/train/backends, default cpu")
    parser.add_argument(
        "--quick", action="store_true", help="packages that loaded here before, and are untouched, are not loaded again"
    )
    add_log(parser)
    args = parser.parse_args()
    name, backend = args.backend, registry.get("backends", args.backend)
    if args.out is None:
        env = detect_env(backend, name, is_quick=args.quick)
        print(json.dumps(env, indent=2))
        print(describe_env(env), file=sys.stderr)
        return 0 if env["ready"] else 1
    with step(args.log, files=args):
        env = detect_env(backend, name)
        if env["issues"]:
            raise get_env_error(env)
        write_json(args.out, env)
        say(describe_env(env))
    return 0


if __name__ == "__main__":
    exit_with_help(main)
