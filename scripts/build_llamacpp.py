"""Find or build llama.cpp, prove that it works on this machine, and record where its tools are."""

from __future__ import annotations

from pathlib import Path

from gaslamp.core.cli import add_log, add_optional_paths, get_parser
from gaslamp.core.console import say, step
from gaslamp.core.errors import exit_with_help
from gaslamp.core.files import get_cache_dir, read_json, write_json
from gaslamp.export.llamacpp.proof import prove_more_tools, prove_once
from gaslamp.export.llamacpp.toolchain import MORE_TOOLS, TOOLS, ensure_toolchain, link_tools


def main() -> None:
    parser = get_parser(__doc__)
    add_optional_paths(parser, toolchain="with --links: the toolchain.json of the run")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, help="toolchain.json to write: the tools that a run needs")
    target.add_argument("--links", type=Path, help="folder to fill with links to every tool and to the converters")
    add_log(parser, required=True)
    args = parser.parse_args()
    with step(args.log, redirect=False):
        if args.out:
            toolchain = ensure_toolchain(get_cache_dir(), args.log)
            say(f"llama.cpp: {toolchain['source']} ({toolchain['reason']}); testing it on a tiny model")
            toolchain["proof"], day = prove_once(toolchain, get_cache_dir(), args.log)
            write_json(args.out, toolchain)
            when = f"as these very files did on this machine on {day}" if day else f"{toolchain['proof']['seconds']} s"
            say(f"it converts, quantizes and serves ({when})")
            return
        toolchain = read_json(args.toolchain) if args.toolchain else ensure_toolchain(get_cache_dir(), args.log)
        # the rest from where the first ones came: installed tools and built ones are never mixed
        toolchain["tools"] |= ensure_toolchain(get_cache_dir(), args.log, (*TOOLS, *MORE_TOOLS))["tools"]
        proven = prove_more_tools(toolchain, args.log)
        link_tools(toolchain["tools"], [toolchain["converter"], toolchain["lora_converter"]], args.links)
        say(
            f"{args.links}: {', '.join(sorted(toolchain['tools']))} and the converters; "
            f"{', '.join(proven)} tested on a tiny model"
        )


if __name__ == "__main__":
    exit_with_help(main)
