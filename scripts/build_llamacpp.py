"""Find or build llama.cpp, prove that it works on this machine, and write down where its tools are."""

import argparse
from pathlib import Path

from gaslamp.console import say, step
from gaslamp.errors import exit_with_help
from gaslamp.files import get_cache_dir, write_json
from gaslamp.llamacpp.proof import prove_toolchain
from gaslamp.llamacpp.toolchain import ensure_toolchain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="toolchain.json to write")
    parser.add_argument("--log", type=Path, required=True, help="receives all that pip, cmake and the compiler print")
    args = parser.parse_args()
    with step("toolchain"):
        toolchain = ensure_toolchain(get_cache_dir(), args.log)
        say(f"llama.cpp: {toolchain['source']} ({toolchain['reason']}); trying it on a tiny model")
        toolchain["proof"] = prove_toolchain(toolchain, args.log)
        write_json(args.out, toolchain)
        say(f"it converts, quantizes and serves ({toolchain['proof']['seconds']} s)")


if __name__ == "__main__":
    exit_with_help(main)
