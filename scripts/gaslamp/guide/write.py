"""The plan in the files of a new project: config.yaml with reasons, the brief, the roadbook's first sections."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gaslamp.config.edit import flatten, set_reasoned
from gaslamp.config.pin import AGENTS
from gaslamp.core.files import JsonObject, read_json, sha256_path, write_json, write_text
from gaslamp.data.source_names import WAITING
from gaslamp.guide.agents import render_agents
from gaslamp.guide.answers import get_project_name
from gaslamp.guide.plan import Plan, to_facts
from gaslamp.guide.task import ANY, PURPOSES, find_purposes, get_audience
from gaslamp.pages.markdown import escape, escape_cell

BRIEF, ROADBOOK = "project_brief.md", "gaslamp.md"


def write_config(text: str, plan: Plan) -> str:
    """The text of config.yaml with what the plan says, each value with its reason above it."""
    reasons = plan.reasons
    return set_reasoned(
        text, [(tuple(key.split(".")), value, reasons.get(key, "")) for key, value in plan.settings.items()]
    )


def write_project(
    project: Path, record: Path, task: str, plan: Plan, wanted: Mapping[str, str], has_data: bool
) -> None:
    """Write the plan into a project that was made just now.

    Args:
        project: its folder.
        record: its .gaslamp.json, which gets the plan.
        task: the first answer.
        plan: as the person took it.
        wanted: the lines that the person set.
        has_data: False: data/raw says what to put there.
    """
    config = project / "config.yaml"
    write_text(config, write_config(config.read_text(encoding="utf-8"), plan))
    write_text(project / BRIEF, render_brief(task, plan))
    write_text(project / ROADBOOK, render_roadbook(task, plan))
    for name in (BRIEF, ROADBOOK):  # older than the code: the first run writes both again, from its facts
        os.utime(project / name, (1, 1))
    write_text(project / AGENTS, render_agents(project, get_project_name(task), task))
    facts = read_json(record)
    files = {**facts["files"], AGENTS: sha256_path(project / AGENTS)}
    write_json(record, {**facts, "files": files, "wanted": dict(wanted), "plan": to_facts(plan)})
    if not has_data:
        write_text(project / WAITING, render_waiting(task, plan))


def list_untouched(project: Path, plan: Plan) -> JsonObject:
    """Every key of config.yaml with its value, without those that a person set in the plan: what memory may change."""
    import yaml

    fixed = {key for line in plan.lines if line.fixed for key in line.settings}
    values = yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))
    return {key: value for key, value in flatten(values) if key not in fixed}


def render_brief(task: str, plan: Plan) -> str:
    """project_brief.md: the goal, and each decision with its reason."""
    rows = [("Problem", task, ""), ("Audience", get_audience(task), "")]
    rows += [(line.name.capitalize(), line.value, line.reason) for line in plan.lines]
    lines = [f"# {escape(get_project_name(task))}: project brief", "", "| What | Choice | Why |", "|---|---|---|"]
    lines += [f"| {name} | {escape_cell(value)} | {escape(why)} |" for name, value, why in rows if value]
    lines += ["", f"Expected: {escape(plan.cost)}."] if plan.cost else []
    lines += [item for note in plan.notes for item in ("", escape(note))]
    return "\n".join(lines) + "\n"


def render_roadbook(task: str, plan: Plan) -> str:
    """gaslamp.md before the first run: what was decided; the run adds what it finds."""
    method, model = plan.get("method"), plan.get("base model")
    audience = get_audience(task)
    parts = [f"# {escape(get_project_name(task))}: roadbook"]
    parts += ["Before the first run: what was decided and why. The run writes the other sections from its facts."]
    if memory := next((line for line in plan.lines if line.name == "memory"), None):
        parts += ["## Applied memory", f"{escape(memory.value)}: {escape(memory.reason)}."]
    parts += ["## 1 Goal", f"- Task: {escape(task)}" + (f"\n- Audience: {escape(audience)}" if audience else "")]
    parts += [f"- Domain: {escape(plan.get('theme').value)}\n- Metric: {_explain(plan, 'metric')}"]
    parts += [
        "## 2 Method",
        f"{escape(method.value)}: {escape(method.reason)}.",
        f"- Columns: {_explain(plan, 'columns')}",
    ]
    parts += [
        "## 3 Model",
        f"{escape(model.value)}: {escape(model.reason)}.",
        f"- Profile: {_explain(plan, 'profile')}",
    ]
    parts += [f"- Expected: {escape(plan.cost)}"] if plan.cost else []
    return "\n\n".join(parts) + "\n"


def _explain(plan: Plan, name: str) -> str:
    line = plan.get(name)
    return f"{escape(line.value)} ({escape(line.reason)})"


def render_waiting(task: str, plan: Plan) -> str:
    """data/raw/README: which file, which columns, with an example row."""
    columns = get_needed_columns(task)
    names = ", ".join(columns)
    header, row = ",".join(columns), ",".join(_quote(cell) for cell in columns.values())
    return (
        f"There is no data yet. Put one file into this folder, then run: make data\n\n"
        f"Task:     {task}\n"
        f"Method:   {plan.get('method').value}\n"
        f"Columns:  {names}\n"
        f"Kinds:    .csv .tsv .jsonl .json .xlsx .parquet and others; several files of one kind are read together\n"
        f"Rows:     100 are a beginning, some hundred are better; a fifth of them is kept for validation and test\n\n"
        f"As rows.csv:\n\n{header}\n{row}\n\n"
        f"As rows.jsonl, a row a line:\n\n{_to_json(columns)}\n\n"
        "Other names of columns are found too: make data shows what was understood. It removes this file.\n\n"
        "Without a file: make label writes rows by hand in the browser; make generate has a model write them\n"
        "(data.generate in config.yaml). Twenty rows of your own are the better beginning for both.\n"
    )


def get_needed_columns(task: str) -> dict[str, str]:
    """Column -> an example, of data for a task."""
    purposes = find_purposes(task)
    return (PURPOSES[purposes[0]] if purposes else ANY).columns


def _quote(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\n') else cell


def _to_json(value: Mapping[str, Any]) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
