"""What a change of config.yaml would run again: Snakemake's own dry run, with the old file and with the new one."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gaslamp.guide.dry_run import DryRunError, get_jobs

SHOWN = 8  # steps


def list_steps(project: Path, config: Path, profile: str) -> list[str] | None:
    """The rules that Snakemake would run, each once; None when it cannot say (not installed, a config with problems).

    Args:
        project: a generated project.
        config: the file that stands for its config.yaml.
        profile: name of a profile.
    """
    backend = project / "profiles" / profile / "backend.yaml"
    files = [str(file.resolve()) for file in (config, backend) if file.is_file()]
    try:
        jobs = get_jobs(project, profile, ["--configfile", *files])
    except (DryRunError, OSError):
        return None
    return list(dict.fromkeys(job.rule for job in jobs))


def explain_reruns(project: Path, after: str, before_profile: str, after_profile: str) -> str:
    """What a new text of config.yaml would run again, as a sentence."""
    before = list_steps(project, project / "config.yaml", before_profile)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as new:
        new.write(after)
        new.flush()
        now = list_steps(project, Path(new.name), after_profile)
    if now is None:
        return "What would run again is not known: Snakemake's dry run did not work with it (make setup installs it)."
    if not now:
        return "Nothing would run again."
    if before is None or set(before) == set(now):
        return f"Nothing runs again because of it; still to run, as before: {_list(now)}."
    again = [name for name in now if name not in before]
    waiting = [name for name in now if name in before]
    gone = [name for name in before if name not in now]
    parts = [f"Would run again: {_list(again)}."] if again else []
    parts += [f"Still to run, as before: {_list(waiting)}."] if waiting else []
    return " ".join([*parts, *([f"No longer needed: {_list(gone)}."] if gone else [])])


def _list(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= SHOWN else f"{len(names)} steps ({', '.join(names[:SHOWN])} ...)"
