"""What `make lint` says, as tests, so that CI sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

CHECKS = {
    "ruff": [BIN / "ruff", "check", "."],
    "mypy": [BIN / "mypy"],
    "snakefmt": [BIN / "snakefmt", "--check", "workflow", "rules"],
    "snakemake --lint": [sys.executable, "scripts/dev/lint_workflow.py"],
}


@pytest.mark.parametrize("name", CHECKS)
def test_clean(name: str) -> None:
    done = subprocess.run([str(part) for part in CHECKS[name]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
