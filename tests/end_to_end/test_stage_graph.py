"""Three stages in one project through the whole graph: texts, answers, preferences, to proven GGUF files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
from gaslamp.core.files import read_json

NOTES = [
    f"{1 + (i + j) % 9} {item} for {name}" for i, item in enumerate(tiny.ITEMS) for j, name in enumerate(tiny.NAMES)
]


def write_lines(file: Path, rows: list[dict[str, Any]]) -> str:
    file.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return str(file)


@pytest.mark.graphs
def test_three_stages_go_through_the_whole_graph(tmp_path: Path) -> None:
    texts = write_lines(tmp_path / "texts.jsonl", [{"text": f"{note}: ok"} for note in NOTES])
    pairs = write_lines(tmp_path / "pairs.jsonl", [{"prompt": n, "chosen": "ok", "rejected": "no"} for n in NOTES])
    stages = [
        {"name": "read", "method": "cpt", "data": {"source": texts}, "train": {"max_steps": 10}},
        {"name": "chat"},
        {"name": "prefer", "method": "dpo", "data": {"source": pairs}, "train": {"max_steps": 10}},
    ]
    model, data = tiny.write_checkpoint(tmp_path / "tiny-chat"), tiny.write_rows(tmp_path / "notes.csv")
    project = tiny.bake(tmp_path / "projects", data, model, {**tiny.SETTINGS, "stages": stages})
    done = tiny.snakemake(project)
    assert done.returncode == 0, tiny.get_rules_error(done)
    runs = [project / "outputs" / name for name in ("read", "chat", "main")]
    trained = [read_json(run / "train.json") for run in runs]
    assert [(one["method"], one["steps"]) for one in trained] == [("cpt", 10), ("sft", 40), ("dpo", 10)]
    labels = [[start["label"] for start in one["starts"]] for one in trained]
    assert labels == [[], ["read"], ["read", "chat"]]
    hashes = [start["adapter_sha256"] for start in trained[2]["starts"]]
    assert hashes == [one["adapter_sha256"] for one in trained[:2]]
    assert read_json(runs[0] / "eval/compare.json")["metrics"][0]["name"] == "perplexity"
    assert read_json(runs[1] / "eval/compare.json")["metrics"][0]["tuned"]["value"] > 0.9
    steps = read_json(runs[2] / "eval/stages.json")["stages"]
    after = [step["metrics"][0]["tuned"] for step in steps]
    assert [step["metrics"][0]["base"] for step in steps[1:]] == after[:-1], "each begins where one ended"
    parity = read_json(runs[2] / "gguf/parity.json")
    assert parity["passed"], parity["summary"]
    roadbook = (project / "gaslamp.md").read_text(encoding="utf-8")
    assert "## Stages" in roadbook and all(f"\n| {name} | " in roadbook for name in ("read", "chat", "prefer"))
    assert tiny.get_jobs(project) == {}

    # another person repeats it from the roadbook and the files alone
    script = str(tiny.ROOT / "scripts" / "reproduce_project.py")
    where = ["--folder", str(tmp_path / "again"), "--files", str(tmp_path), "--model", str(model)]
    again = tiny.run(sys.executable, script, str(project / "gaslamp.md"), *where, cwd=tmp_path, timeout=1200)
    assert again.returncode == 0, again.stdout + again.stderr
    (repeated,) = (tmp_path / "again").iterdir()
    result = read_json(repeated / "reproduction.json")
    assert result["outcome"] == "reproduced", result
    assert all(check["expected"] == check["found"] for check in result["checks"]), result["checks"]
    for run in runs:
        other = read_json(repeated / "outputs" / run.name / "train.json")
        assert other["adapter_sha256"] == read_json(run / "train.json")["adapter_sha256"], run.name
