"""What `make lint` checks, step by step."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import run_lint
from scheduling import APART, TOGETHER


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


def test_no_two_test_files_share_a_name() -> None:
    """pytest imports the folders' files by their bare name: the second of a name is not collected."""
    names = Counter(file.name for file in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_the_files_of_the_finished_project_run_in_one_worker(request: pytest.FixtureRequest) -> None:
    """Its graph is made once then, and not once for each worker."""
    users = [item for item in request.session.items if "finished" in getattr(item, "fixturenames", ())]
    missing = {item.nodeid.split("::")[0] for item in users} - {*TOGETHER, *APART}
    assert not missing, f"tests/scheduling.py: add to TOGETHER: {', '.join(sorted(missing))}"
