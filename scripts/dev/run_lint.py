"""Everything that is checked without running the workflow; every step runs, then those that failed are named.

The hooks of .pre-commit-config.yaml are these steps.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
STEPS = {
    "format": ["ruff", "format", "--check", "."],
    "ruff": ["ruff", "check", "."],
    "types": ["mypy"],
    "snakefmt": ["snakefmt", "--check", "workflow", "rules"],
    "snakemake": ["python", "scripts/dev/lint_workflow.py"],
    "spelling": ["codespell"],
    "words": ["python", "scripts/dev/check_words.py"],
    "signatures": ["python", "scripts/dev/check_signatures.py"],
}
"""Name of a step -> program of this environment and its arguments."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="*", choices=[[], *STEPS], help="only these; default: all")
    args = parser.parse_args()
    failed = []
    for name in args.steps or STEPS:
        program, *arguments = STEPS[name]
        done = subprocess.run(
            [str(BIN / program), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        print(f"{name:12} {'FAILED' if done.returncode else 'ok'}", flush=True)
        if done.returncode:
            print(done.stdout.rstrip(), flush=True)
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}; run one alone with: make lint ARGS={failed[0]}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
