"""Find or build llama.cpp, prove that it works on this machine, and write down where its tools are."""

from __future__ import annotations

import argparse
from pathlib import Path

from gaslamp.errors import exit_with_help


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="toolchain.json to write")
    parser.add_argument("--log", type=Path, required=True, help="receives all that pip, cmake and the compiler print")
    args = parser.parse_args()

    from gaslamp.files import get_cache_dir, write_json
    from gaslamp.llamacpp.proof import prove_toolchain
    from gaslamp.llamacpp.toolchain import ensure_toolchain

    toolchain = ensure_toolchain(get_cache_dir(), args.log)
    print(f"llama.cpp: {toolchain['source']} ({toolchain['reason']}); trying it on a tiny model", flush=True)
    toolchain["proof"] = prove_toolchain(toolchain, args.log)
    write_json(args.out, toolchain)
    print(f"llama.cpp: converts, quantizes and serves ({toolchain['proof']['seconds']} s); see {args.out}")


if __name__ == "__main__":
    exit_with_help(main)
