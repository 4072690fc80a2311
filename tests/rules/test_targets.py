"""Other targets than the adapter (merged, a level, a server), public tasks, and kept answers: each through its rule."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
from gaslamp.core.files import read_json, read_jsonl, write_jsonl

TARGETS = ("merged", "q8_0", "endpoint")
TASK = """task: tiny_sums
dataset_path: json
dataset_kwargs: {data_files: {test: tasks/sums.jsonl}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{question}}"
doc_to_choice: choices
doc_to_target: answer
metric_list: [{metric: acc}]
metadata: {version: 1}
"""


@pytest.fixture(scope="module")
def judged(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished project with every target compared, its own server among them, and a task file of its own."""
    project = tiny.copy_project(finished, tmp_path_factory.mktemp("targets"))
    (project / "tasks").mkdir()
    (project / "tasks" / "sums.yaml").write_text(TASK, encoding="utf-8")
    write_jsonl(
        project / "tasks" / "sums.jsonl",
        [{"question": f"{n} plus 1 is", "choices": [f" {n + 1}", " none"], "answer": 0} for n in range(6)],
    )
    started = tiny.run(sys.executable, "scripts/serve_model.py", "start", "--level", "q8_0", cwd=project)
    assert started.returncode == 0, tiny.get_rules_error(started)
    try:
        state = read_json(project / "outputs/serve.json")
        endpoint = {"url": f"{state['url']}/v1", "model": state["alias"], "key_env": "TINY_KEY"}
        tiny.set_config(
            project,
            **{
                "eval.target": "endpoint",
                "eval.endpoint": endpoint,
                "eval.lm_eval": ["tiny_sums"],
                "eval.lm_eval_limit": 4,
            },
        )
        key = (project / "outputs/.serve.key").read_text().strip()
        wanted = [f"outputs/main/eval/target/{name}.verdict.json" for name in TARGETS]
        offline = dict.fromkeys(("HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE"), "1")
        done = tiny.snakemake(
            project,
            *wanted,
            "outputs/main/eval/verdict.json",
            TINY_KEY=key,
            HF_DATASETS_CACHE=str(project / "cache"),
            **offline,
        )
        assert done.returncode == 0, tiny.get_rules_error(done)
    finally:
        tiny.run(sys.executable, "scripts/serve_model.py", "stop", cwd=project)
    return project


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_answers_the_same_rows_as_the_adapter(judged: Path, target: str) -> None:
    folder = judged / "outputs/main/eval"
    adapter, found = read_json(folder / "compare.json"), read_json(folder / f"target/{target}.compare.json")
    assert found["target"] == target and found["n"] == adapter["n"] and found["sampling"] == adapter["sampling"]
    assert [example["id"] for example in found["examples"]] == [example["id"] for example in adapter["examples"]]
    assert (
        found["metrics"][0]["name"] == adapter["metrics"][0]["name"] and found["metrics"][0]["tuned"]["value"] == 1.0
    ), "it ships what was trained"
    assert found["retention"]["tuned"]["n"] == adapter["retention"]["tuned"]["n"] == 40
    predictions = list(read_jsonl(folder / f"target-{target}.predictions.jsonl"))
    assert len(predictions) == found["n"] + 40 and all(row["tokens"] for row in predictions if row["kind"] == "test")
    page = (folder / f"target/{target}.html").read_text(encoding="utf-8")
    assert f"Evaluation of {target}" in page
    if target == "q8_0":  # the predictions of the ladder are reused
        earlier = {row["id"]: row for row in read_jsonl(folder / "gguf-q8_0.predictions.jsonl")}
        assert earlier and all(row == earlier[row["id"]] for row in predictions if row["id"] in earlier)


def test_public_tasks_run_before_and_after(judged: Path) -> None:
    pytest.importorskip("lm_eval")
    scores: dict[str, Any] = read_json(judged / "outputs/main/eval/compare.json")["lm_eval"]["tiny_sums, acc"]
    for who in ("base", "tuned"):
        assert (
            scores[who]["n"] == 4
            and 0 <= scores[who]["low"] <= scores[who]["value"] <= scores[who]["high"] <= 1
            and scores[who]["low"] < scores[who]["high"]
        )
    assert "lm-evaluation-harness: tiny_sums, acc" in (judged / "outputs/main/eval/report.html").read_text(
        encoding="utf-8"
    )
    assert "lm-evaluation-harness: tiny_sums, acc" in (judged / "logs/main/eval.log").read_text(encoding="utf-8")


def test_answers_kept_in_a_chat_are_test_rows_of_the_next_run(finished: Path, tmp_path: Path) -> None:
    """make chat-eval with its input from a pipe, then the data phase: one more test row, the same training rows."""
    project = tiny.copy_project(finished, tmp_path)
    before = (project / "data/train.jsonl").read_bytes()
    done = subprocess.run(
        [sys.executable, "scripts/chat_eval.py", "--max-tokens", "8"],
        input="2 pies for Zoe\nw\nok\n\n",
        cwd=project,
        env=tiny.get_environ(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0 and "tuned> ok" in done.stdout and "1 row kept in data/kept.jsonl" in done.stdout, (
        tiny.get_rules_error(done)
    )
    again = tiny.snakemake(project, "data/test.jsonl")
    assert again.returncode == 0, tiny.get_rules_error(again)
    rows = list(read_jsonl(project / "data/test.jsonl"))
    assert rows[-1]["messages"][-1] == {"role": "assistant", "content": "ok"} and rows[-1]["slice"] == "kept by hand"
    assert (
        "2 pies for Zoe" in json.dumps(rows[-1]["messages"][:-1])
        and read_json(project / "data/card.json")["rows"]["kept"] == 1
    )
    assert (project / "data/train.jsonl").read_bytes() == before
