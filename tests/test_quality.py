"""What `make lint` checks, step by step."""

from __future__ import annotations

import subprocess
import sys

import pytest
import run_lint


@pytest.mark.parametrize("step", list(run_lint.STEPS))
def test_clean(step: str) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/dev/run_lint.py", step],
        cwd=run_lint.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
