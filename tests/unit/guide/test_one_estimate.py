"""The interview, make advise and make plan say the same of the same task on the same machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.load import load_config
from gaslamp.config.pin import RECORD
from gaslamp.config.yaml_file import read_yaml
from gaslamp.environment.base_model import get_shape
from gaslamp.environment.machines import get_machine
from gaslamp.guide.answers import read_data_answer
from gaslamp.guide.demand import get_demand
from gaslamp.guide.documents import ModelPart
from gaslamp.guide.look import look_at_data
from gaslamp.guide.models import choose
from gaslamp.guide.plan import Plan, Situation, to_facts
from gaslamp.guide.recommend import recommend
from gaslamp.guide.run_plan import estimate_run
from gaslamp.guide.run_plan import get_demand as get_run_demand
from gaslamp.guide.times import show_hours
from gaslamp.guide.write import write_config
from machines import CPU, GPU, MAC
from ten_tasks import TASKS
from test_ten_tasks import render_template

MACHINES: dict[str, Any] = {"cpu": CPU, "l4": GPU, "mac": MAC, "t4": {**get_machine("t4"), "is_rented": False}}
OFFLINE = "the model hub does not answer from here"


@pytest.fixture(autouse=True)
def no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GASLAMP_HOME", str(tmp_path / "memory"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("GASLAMP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)


def make_project(folder: Path, data: Path, task: str, plan: Plan) -> Path:
    """A project as the interview leaves it, without the pinned copy."""
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "raw").symlink_to(data.parent, target_is_directory=True)
    text = write_config(render_template("a_project", f"data/raw/{data.name}"), plan).replace(
        '"a task"', json.dumps(task)
    )
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    record = {"answers": {"task": task}, "files": {}, "wanted": {}, "plan": to_facts(plan)}
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", TASKS)
def test_the_interview_advise_and_plan_agree(name: str, tmp_path: Path) -> None:
    task, make, _ = TASKS[name]
    (tmp_path / "rows").mkdir()
    data = make(tmp_path / "rows")
    look = look_at_data(read_data_answer(str(data)))
    for title, machine in MACHINES.items():
        for offline in ("", OFFLINE):
            plan = recommend(Situation(task, read_data_answer(str(data)), look, machine, {}, offline))
            source, profile = plan.get("base model").value, plan.get("profile").value
            outside = get_demand({"task": task, "data": str(data)}, machine, None)
            first = choose(outside.demand, profile, machine, offline).advice[0]
            assert first.model.source == source, (title, offline)
            hours = show_hours(first.hours)
            assert (f"about {hours} of training" in plan.cost) == (first.hours is not None)
            assert (
                f"{first.memory_gb:.1f} GB of memory, " in plan.cost and f"{first.disk_gb:.1f} GB of disk" in plan.cost
            )
        project = make_project(tmp_path / title, data, task, plan)
        inside = get_demand({}, machine, project)
        assert inside.demand == outside.demand, "a project says the same as its answers"
        values = read_yaml(project / "config.yaml")
        config = load_config(values, project / "config.yaml", project)
        demand, _ = get_run_demand(project, config, machine)
        assert demand == outside.demand
        found, why = estimate_run(config, profile, machine, get_shape(source), demand, ())
        assert found == (None if first.hours is None else pytest.approx(first.hours, abs=0.0006)), why
        assert ModelPart.make(first).hours == first.hours
