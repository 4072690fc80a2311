"""`make reconfigure`: the interview again in a project, with the difference of config.yaml first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from gaslamp.config.edit import flatten, get_value, set_reasoned, write_scalar
from gaslamp.config.pin import RECORD, read_record
from gaslamp.config.schema import Config
from gaslamp.config.yaml_file import read_yaml
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json, write_text
from gaslamp.guide.answers import DataAnswer, get_safe_name
from gaslamp.guide.plan import Plan, read_facts, to_facts
from gaslamp.guide.task import get_audience
from gaslamp.guide.write import BRIEF, ROADBOOK, render_brief, render_roadbook

KEYS = {
    "method": "method",
    "reward": "train.rewards",
    "base model": "model.source",
    "profile": "backend",
    "max_length": "train.max_length",
    "metric": "eval.metrics",
    "deploy": "export.formats",
    "theme": "project.domain",
    "demo language": "demo.language",
}
"""Line of the plan -> the key of config.yaml whose value it is."""


@dataclass(frozen=True)
class Project:
    """A project as it is configured now.

    Attributes:
        folder: with config.yaml.
        text: of config.yaml.
        values: in it.
        wanted: what a person chose before, in the plan or in config.yaml.
        recommended: the keys that the last plan wrote, with their values.
    """

    folder: Path
    text: str
    values: Mapping[str, Any]
    wanted: dict[str, str]
    recommended: dict[str, Any]

    @property
    def task(self) -> str:
        """The first answer."""
        return str((self.values.get("project") or {}).get("task") or "")

    @property
    def data(self) -> str:
        """The second answer: data.source."""
        return str((self.values.get("data") or {}).get("source") or "")


def read_project(folder: Path) -> Project:
    """How a project is configured; a value that is not the recommended one any more is a person's.

    Raises:
        GaslampError: the folder is no project, or config.yaml is no YAML.
    """
    record = read_record(folder)
    config = folder / "config.yaml"
    values = read_yaml(config)
    facts, wanted = record.get("plan"), dict(record.get("wanted") or {})
    recommended = read_facts(facts).settings if facts else {}
    for name, key in KEYS.items():
        now = get_value(values, key)
        if key in recommended and now != recommended[key] or (not facts and now not in (None, "auto", [], "")):
            wanted[name] = _show(now)
    if not facts:  # of an earlier version: nothing says which values were recommended, so each one stays
        wanted |= {"method": str(values.get("method") or "sft")}
    wanted = {name: value for name, value in wanted.items() if value}
    return Project(folder, config.read_text(encoding="utf-8"), values, wanted, recommended)


def _show(value: Any) -> str:
    """A value of config.yaml as the plan writes it."""
    if isinstance(value, list):
        return ", ".join(str(item["name"]) if isinstance(item, dict) else str(item) for item in value)
    return "" if value is None else str(value)


def change_config(project: Project, plan: Plan, task: str, data: DataAnswer) -> str:
    """The text of config.yaml with the new answers and the new plan; lines that neither names stay as they are.

    Args:
        project: as it is now.
        plan: that the person took.
        task, data: the answers.
    """
    changes: list[tuple[tuple[str, ...], object, str | None]] = [
        (tuple(key.split(".")), value, plan.reasons.get(key, "")) for key, value in plan.settings.items()
    ]
    defaults = dict(flatten(Config().model_dump()))
    for key, value in project.recommended.items():
        if key not in plan.settings and get_value(project.values, key) == value:  # the new plan does not need it
            changes.append((tuple(key.split(".")), defaults[key], ""))
    if task != project.task:
        changes += [(("project", "task"), task, None), (("project", "audience"), get_audience(task), None)]
    source = get_source(project.folder, data)
    if source != project.data:
        changes.append((("data", "source"), source, None))
        named = {key for key, _, _ in changes}
        for name, empty in (("columns", {}), ("meaning", "auto"), ("sheet", None)):
            if ("data", name) not in named and get_value(project.values, f"data.{name}") not in (None, empty):
                changes.append((("data", name), empty, None))  # it was said of the data before
    return set_reasoned(project.text, changes)


def get_source(folder: Path, data: DataAnswer) -> str:
    """The value of data.source for an answer in a project: what lies in it stays where it is."""
    if data.kind == "file" and Path(data.place).resolve().is_relative_to(folder.resolve()):
        return Path(data.place).resolve().relative_to(folder.resolve()).as_posix()
    return data.source


def copy_data(folder: Path, data: DataAnswer) -> DataAnswer:
    """Copy data from elsewhere into data/raw; what is there already is never replaced.

    Returns:
        The answer, which names the copy.

    Raises:
        GaslampError: it cannot be copied.
    """
    if data.kind != "file" or Path(data.place).resolve().is_relative_to(folder.resolve()):
        return data
    target = _find_free(folder / "data" / "raw" / get_safe_name(data.place))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(data.place, target) if Path(data.place).is_dir() else shutil.copy2(data.place, target)
    except (OSError, shutil.Error) as error:
        raise GaslampError(f"cannot copy {data.place}: {error}", "free some space, or give another file") from error
    return replace(data, place=str(target))


def _find_free(path: Path) -> Path:
    """``path``, or with a number when something of that name is there."""
    number, free = 2, path
    while free.exists():
        free = path.with_name(f"{path.stem}_{number}{path.suffix}")
        number += 1
    return free


def list_differences(before: str, after: str, reasons: Mapping[str, str]) -> list[str]:
    """What changes in config.yaml, a line for each key: ``eval.metrics: [] -> [rouge]  (why)``.

    Args:
        before, after: the two texts.
        reasons: key -> why.
    """
    import yaml

    old, new = (dict(flatten(yaml.safe_load(text))) for text in (before, after))
    found = []
    for key in new:
        if isinstance(new[key], dict) and new[key] or old.get(key) == new[key]:
            continue
        why = f"  ({reasons[key]})" if reasons.get(key) else ""
        found.append(f"{key}: {write_scalar(old.get(key))} -> {write_scalar(new[key])}{why}")
    return found


def write_changes(project: Project, text: str, plan: Plan, task: str, data: str, wanted: Mapping[str, str]) -> None:
    """Write config.yaml and the record; the brief and the roadbook too, as long as no run has written them."""
    write_text(project.folder / "config.yaml", text)
    record = read_json(project.folder / RECORD)
    changed = datetime.now().astimezone().isoformat(timespec="seconds")
    answers = {**record["answers"], "task": task, "data": data}
    facts = {"answers": answers, "wanted": dict(wanted), "plan": to_facts(plan), "reconfigured": changed}
    write_json(project.folder / RECORD, {**record, **facts})
    for name, content in ((BRIEF, render_brief(task, plan)), (ROADBOOK, render_roadbook(task, plan))):
        file = project.folder / name
        if file.is_file() and file.stat().st_mtime <= 1:  # as the interview wrote it
            write_text(file, content)
            os.utime(file, (1, 1))
