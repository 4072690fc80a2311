"""The interview in cookiecutter's own environment: nothing of this project's packages is there but PyYAML and rich."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ten_tasks import TASKS

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys, json, importlib.abc
MISSING = set("pydantic pydantic_core orjson pyarrow pandas numpy duckdb torch transformers datasets huggingface_hub "
              "psutil filelock httpx python_calamine zstandard charset_normalizer xxhash rensa snakemake".split())
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])
sys.meta_path.insert(0, Missing())
from gaslamp.guide.interview import hold
from gaslamp.guide.plan import read_facts
from gaslamp.guide.write import render_brief, render_roadbook, write_config
found = {}
for name, task, data in json.load(sys.stdin):
    outcome = hold(task, data, {}, None)
    plan = read_facts(outcome["plan"])
    render_brief(task, plan), render_roadbook(task, plan)
    found[name] = {line.name: line.value for line in plan.lines}
print("FOUND" + json.dumps(found))
"""


def test_ten_tasks_arrive_at_the_same_plan(tmp_path: Path) -> None:
    cases = []
    for name, (task, make, _) in TASKS.items():
        (tmp_path / name).mkdir()
        cases.append((name, task, str(make(tmp_path / name))))
    own = {"PYTHONPATH": str(ROOT / "scripts"), "HF_HUB_OFFLINE": "1", "GASLAMP_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(cases),
        env={**os.environ, **own},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.rpartition("FOUND")[2])
    for name, (_, _, expected) in TASKS.items():
        assert {key: found[name][key] for key in expected} == expected
