"""What Snakemake would run, from its own dry run: each job with its rule, its files and the reason.

Run as a program, this file calls Snakemake with a listener on its log events and writes each planned job as a line of
JSON: the graph is Snakemake's, nothing that it prints is read.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 600  # for a dry run, on a busy machine too


@dataclass(frozen=True)
class Job:
    """A job that would run."""

    rule: str  # as it is displayed: train_model_cpu
    wildcards: Mapping[str, str]
    outputs: tuple[str, ...]
    log: str
    reason: str  # in Snakemake's words

    @property
    def step(self) -> str:
        """The name of its step in logs/phases.jsonl: the stem of its log."""
        return Path(self.log).stem if self.log else self.rule


class DryRunError(Exception):
    """Snakemake could not plan; the text is what it said."""


def get_jobs(project: Path, profile: str, arguments: Sequence[str] = (), targets: Sequence[str] = ()) -> list[Job]:
    """The jobs of a run that would start now, without changing anything.

    Args:
        project: its folder.
        profile: cpu, cuda ...
        arguments: further ones of Snakemake, such as ``("--config", "run=other")``.
        targets: rules or files; none: the whole run.

    Raises:
        DryRunError: the config has problems, or the workflow cannot be planned.
    """
    return _dry_run(project, [*targets, "--profile", profile, "--dry-run", *arguments])[0]


def get_jobs_and_done(project: Path, profile: str, arguments: Sequence[str] = ()) -> tuple[list[Job], Counter[str]]:
    """The same, and how many jobs of each rule need not run.

    Raises:
        DryRunError: the config has problems, or the workflow cannot be planned.
    """
    planned, every = _dry_run(project, ["--profile", profile, "--dry-run", *arguments])
    return planned, every - Counter(job.rule for job in planned)


def _dry_run(project: Path, command: Sequence[str]) -> tuple[list[Job], Counter[str]]:
    """The jobs that would run, and how many the whole graph has of each rule."""
    with tempfile.TemporaryDirectory() as folder:
        out, graph = Path(folder) / "jobs.jsonl", Path(folder) / "graph.json"
        try:
            done = subprocess.run(
                [sys.executable, str(Path(__file__).resolve()), str(out), str(graph), *command],
                cwd=project,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            text = f"its dry run did not end within {SECONDS // 60} minutes: this machine is busy with something else"
            raise DryRunError(text) from None
        if done.returncode:
            raise DryRunError(done.stdout.strip())
        every = json.loads(graph.read_text(encoding="utf-8")) if graph.is_file() else {}
        return _read_jobs(out), Counter(every)


def _read_jobs(file: Path) -> list[Job]:
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    jobs = [Job(**{**json.loads(line), "outputs": tuple(json.loads(line)["outputs"])}) for line in lines]
    return [job for job in jobs if job.outputs]  # `all` makes nothing


class _Listener(logging.Filter):
    """Writes each job that Snakemake announces. A filter, because Snakemake removes the handlers of its logger."""

    def __init__(self, out: Path) -> None:
        super().__init__()
        self.out = out

    def filter(self, record: logging.LogRecord) -> bool:
        """Write a planned job; every record goes on."""
        values: dict[str, Any] = record.__dict__
        if str(getattr(values.get("event"), "value", "")) == "job_info":
            log = [str(file) for file in values.get("log") or []]
            job = {
                "rule": values["rule_name"],
                "wildcards": {key: str(value) for key, value in (values.get("wildcards") or {}).items()},
                "outputs": [str(file) for file in values.get("output") or []],
                "log": log[0] if log else "",
                "reason": str(values.get("reason") or ""),
            }
            with self.out.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(job) + "\n")
        return True


def main() -> None:
    """Call Snakemake with the listener; the graph that it built says what the whole run has."""
    from snakemake.cli import main as snakemake
    from snakemake.logging import logger
    from snakemake.workflow import Workflow

    execute = Workflow.execute

    def execute_and_count(workflow: Workflow, *args: Any, **kwargs: Any) -> Any:
        try:
            return execute(workflow, *args, **kwargs)
        finally:
            if workflow.dag is not None:
                rules = Counter(job.rule.name for job in workflow.dag.jobs if job.output)  # `all` makes nothing
                Path(sys.argv[2]).write_text(json.dumps(rules), encoding="utf-8")

    Workflow.execute = execute_and_count
    logger.addFilter(_Listener(Path(sys.argv[1])))
    snakemake(sys.argv[3:])


if __name__ == "__main__":
    main()
