"""Snakemake inside another command (``make data JSON=1``): its lines are shown, its failure is one error with a fix."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

from gaslamp.core.attempts import read_attempts
from gaslamp.core.console import PHASES
from gaslamp.core.errors import GaslampError
from gaslamp.core.workflow_state import release_stale_lock, require_free


def follow(command: Sequence[str], target: str) -> None:
    """Run Snakemake in the working directory until it ends.

    Ctrl-C reaches it as a member of the same process group; it is waited for until its steps have saved.

    Args:
        command: Snakemake with its profile and settings, without a target.
        target: file or rule to make.

    Raises:
        GaslampError: a run works here already, or a step failed: with what that step said.
    """
    project = Path()
    release_stale_lock(project)
    require_free(project)
    before = len(read_attempts(PHASES))
    process = subprocess.Popen([*command, target], stdin=subprocess.DEVNULL)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        with contextlib.suppress(KeyboardInterrupt):
            process.wait()
        raise
    if code:
        raise get_failure(before, target)


def get_failure(before: int, target: str) -> GaslampError:
    """Why the run did not make ``target``: the causes of all steps that failed, with the fix of the first.

    Args:
        before: how many attempts there were before it.
        target: what it should have made.
    """
    new = read_attempts(PHASES)[before:]
    stopped = [one for one in new if one.status in ("failed", "interrupted", "killed")]
    failed = [one for one in stopped if one.status == "failed"] or stopped
    if not failed:
        return GaslampError(
            f"Snakemake ended before a step that leads to {target} failed",
            "the standard error says why; run the same command again after it is fixed",
        )
    causes = [f"{one.step}: {one.error or one.status}" for one in failed]
    fixes = [fix for one in failed for fix in one.fixes]
    log = next((one.log for one in failed if one.log), "")
    first = fixes[0] if fixes else "run the same command again: finished steps are kept"
    return GaslampError(
        "; ".join(causes), first, fixes[1] if len(fixes) > 1 else f"read the end of {log}" if log else None
    )
