"""The plan of a run on a terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gaslamp.environment.memory_estimate import TOOLCHAIN_GB
from gaslamp.guide.run_plan import PlannedJob, RunPlan
from gaslamp.guide.times import show_seconds

if TYPE_CHECKING:
    from rich.console import Console

SHORT = 3.0  # seconds below which a step has no line of its own
WHY = {
    "new": "not made yet",
    "settings": "a setting changed",
    "code": "code or packages changed",
    "data": "what it reads changed",
    "again": "what it reads is made again",
}

REMOTE = {
    "run_remote_push": "sends the project; packages there: some minutes, once",
    "run_remote_train": "starts the training there",
    "run_remote_poll": "the training there, its curves live here",
    "run_remote_pull": "brings the adapter home",
}
"""The rules of a training on another machine, and what they do."""


def print_run_plan(plan: RunPlan, console: Console) -> None:
    """Print what a run would do, what it takes and what would stop it."""
    from rich.table import Table
    from rich.text import Text

    facts = plan.preflight
    console.print(Text.assemble(("profile:  ", "cyan"), f"{plan.profile} ({plan.profile_reason})"))
    if plan.changed:
        changes = "; ".join(f"{key} {then} -> {now}" for key, (then, now) in plan.changed.items())
        console.print(Text.assemble(("changed:  ", "cyan"), changes))
    if not plan.jobs:
        console.print(Text.assemble(("jobs:     ", "cyan"), "nothing to do: everything is made"))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("step", no_wrap=True, style="bold")
    table.add_column("jobs", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    short = [job for job in plan.jobs if _is_short(job)]
    for rule, jobs in _group([job for job in plan.jobs if job not in short]).items():
        seconds = None if any(job.seconds is None for job in jobs) else sum(job.seconds or 0 for job in jobs)
        why = Counter(job.why for job in jobs).most_common(1)[0][0]
        measured = ", time as last time" if all(job.is_measured for job in jobs) else ""
        measured += f"; {REMOTE[rule]}" if rule in REMOTE else ""
        table.add_row(rule, str(len(jobs)), show_seconds(seconds), Text(WHY[why] + measured))
    if short:
        seconds = sum(job.seconds or 0 for job in short)
        table.add_row(Text("short steps", style="dim"), str(len(short)), show_seconds(seconds), "")
    console.print(table)
    done = sum(plan.done.values())
    console.print()
    console.print(Text.assemble(("jobs:     ", "cyan"), f"{len(plan.jobs)} to run, {done} done already"))
    unknown = sum(job.seconds is None for job in plan.jobs)
    note = f", and {unknown} whose time is not known" if unknown else ""
    console.print(Text.assemble(("time:     ", "cyan"), f"about {show_seconds(plan.seconds)}{note}"))
    source = f"training: {plan.speed_reason}; rows: {plan.rows_origin}"
    console.print(Text(f"          {source}", style="dim"))
    console.print(Text.assemble(("test:     ", "cyan"), plan.power))
    loads = ", ".join(f"{name} {size:.1f} GB" for name, size in plan.download_gb.items()) or "nothing"
    console.print(Text.assemble(("download: ", "cyan"), loads))
    if facts:
        needed = sum(facts["disk_needed_gb"].values())
        memory = f"{facts['memory_needed_gb']} of {facts['memory_free_gb']} GB ({facts['fit']})"
        tools = facts["disk_needed_gb"].get("toolchain", 0)
        is_main = bool(tools) and plan.profile in ("cpu", "mps")  # the GPU's memory does not build anything
        building = f", {TOOLCHAIN_GB:.1f} of it while llama.cpp is built" if is_main else ""
        if plan.place:
            memory, building = "of the other machine, checked as soon as it is reached (a GPU: 6 GB at least)", ""
        console.print(Text.assemble(("memory:   ", "cyan"), memory, (building, "dim")))
        built = f", {tools:.1f} of it for llama.cpp, once for all projects" if tools else ""
        disk = f"{needed:.1f} of {facts['disk_free_gb']} GB free"
        console.print(Text.assemble(("disk:     ", "cyan"), disk, (built, "dim")))
    price = f"about ${plan.price:.2f}" if plan.price_per_hour else "nothing to pay"
    console.print(Text.assemble(("price:    ", "cyan"), f"{price} ", (f"({plan.price_reason})", "dim")))
    for warning in facts.get("warnings", []):
        console.print(Text.assemble(("warning:  ", "yellow"), warning))
    if plan.problem:
        console.print(Text.assemble(("\nwould stop before anything is downloaded:\n", "bold red"), plan.problem))


def _is_short(job: PlannedJob) -> bool:
    """Whether a job has no line of its own; those on another machine have."""
    is_quick = job.why in ("new", "again") and (job.seconds or SHORT) < SHORT
    return is_quick and job.job.rule not in REMOTE


def _group(jobs: list[PlannedJob]) -> dict[str, list[PlannedJob]]:
    found: dict[str, list[PlannedJob]] = {}
    for job in jobs:
        found.setdefault(job.job.rule, []).append(job)
    return found
