"""The embedded 135M model and a user's own CSV through the whole graph with a few training steps; then it is served."""

from __future__ import annotations

import csv
import json
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import tiny
from gaslamp.data.embedded import orders_json
from gaslamp.serve.chat import columns

pytestmark = pytest.mark.slow

ROWS = {"train": 64, "valid": 4, "test": 8}
STEPS = 8


def write_orders(file: Path) -> Path:
    """A part of the embedded orders as a file of a user's: CSV with columns of his own and a ``split`` column."""
    rows: list[dict[str, Any]] = list(orders_json.generate())
    with file.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["order", "record", "split"])
        for split, count in ROWS.items():
            for row in islice((row for row in rows if row["split"] == split), count):
                writer.writerow([*get_pair(row), split])
    return file


def get_pair(row: dict[str, Any]) -> tuple[str, str]:
    if "messages" in row:
        return row["messages"][-2]["content"], row["messages"][-1]["content"]
    return row["prompt"], row["completion"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    data = write_orders(folder / "my orders.csv")
    settings = {
        "data.columns": {"prompt": "order", "completion": "record"},
        "data.system": orders_json.SYSTEM,
        "data.rehearsal": 0.0,
        "train.max_steps": STEPS,
        "train.batch_size": 4,
        "eval.gate": "warn",
        "eval.retention": False,
        "export.levels": ["q8_0"],
        "export.parity_prompts": 4,
    }
    project = tiny.bake(folder / "projects", data, None, settings)
    done = tiny.snakemake(project, HF_HUB_OFFLINE="0")
    assert done.returncode == 0, tiny.get_rules_error(done)
    return project


def test_the_whole_graph(served: Path) -> None:
    run = served / "outputs" / "main"
    card = json.loads((served / "data" / "card.json").read_text())
    assert (
        {key: card["rows"][key] for key in ROWS} == ROWS
        and card["mapping"]["prompt"] == "order"
        and card["answers"] == "json"
    )
    facts = json.loads((run / "train.json").read_text())
    assert facts["steps"] == STEPS and facts["loss_last"] < facts["loss_first"]
    assert facts["total_parameters"] == 134_515_008
    compare = json.loads((run / "eval" / "compare.json").read_text())
    assert compare["n"] == ROWS["test"] and compare["metrics"][0]["name"] == "json_match"
    parity = json.loads((run / "gguf" / "parity.json").read_text())
    assert parity["passed"] and not parity["override"], parity["summary"]
    for name in (
        "project_brief.md",
        "gaslamp.md",
        "progress_log.md",
        "demos/main/index.html",
        "outputs/main/gguf/Modelfile",
    ):
        assert (served / name).is_file(), name


def test_a_second_run_has_nothing_to_do(served: Path) -> None:
    assert tiny.get_jobs(served) == {}


def test_base_next_to_tuned(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At f16 each column says what its model said in the evaluation."""
    done = tiny.run(sys.executable, "scripts/serve_model.py", "start", "--level", "f16", cwd=served)
    assert done.returncode == 0, tiny.get_rules_error(done)
    try:
        state = json.loads((served / "outputs" / "serve.json").read_text())
        key = {"Authorization": f"Bearer {(served / 'outputs' / '.serve.key').read_text().strip()}"}

        def post(url: str, body: dict[str, Any], seconds: float) -> Any:
            return httpx.post(url, json=body, headers=key, timeout=300, trust_env=False).raise_for_status().json()

        # again and with more time than the start takes for it: other tests may compute on the same cores
        monkeypatch.setattr(columns, "SECONDS", 1200.0)
        run = served / "outputs" / "main" / "eval"
        files = {"tuned": run / "gguf-f16.predictions.jsonl", "base": run / "base.predictions.jsonl"}
        checked = columns.check_columns(post, state["columns"], served / "data" / "test.jsonl", files)
        assert checked.keys() == files.keys()
        for column, found in checked.items():
            assert found["rows"] == 4 and found["same"] >= 0.75 * found["compared"], (column, found)
        assert checked["base"]["same"] >= 0.95 * checked["base"]["compared"]
    finally:
        tiny.run(sys.executable, "scripts/serve_model.py", "stop", cwd=served)


def test_a_real_client_gets_the_evaluated_answer(served: Path) -> None:
    from openai import AuthenticationError, OpenAI

    done = tiny.run(sys.executable, "scripts/serve_model.py", "start", "--level", "q8_0", cwd=served)
    assert done.returncode == 0, tiny.get_rules_error(done)
    state = json.loads((served / "outputs" / "serve.json").read_text())
    try:
        key = (served / "outputs" / ".serve.key").read_text().strip()
        rows = [json.loads(line) for line in (served / "data" / "test.jsonl").read_text().splitlines()]
        lines = (served / "outputs/main/eval/gguf-q8_0.predictions.jsonl").read_text().splitlines()
        answers = {row["id"]: row for row in map(json.loads, lines)}
        client = OpenAI(base_url=f"{state['url']}/v1", api_key=key)
        same = 0
        for row in rows[:4]:
            wanted = answers[row["id"]]
            reply = client.chat.completions.create(
                model=state["alias"], messages=row["messages"][:-1], temperature=0, max_tokens=wanted["tokens"] + 1
            )
            same += (
                reply.choices[0].message.content == wanted["text"]
                or not wanted["stopped"]
                and wanted["text"].startswith(str(reply.choices[0].message.content)[:20])
            )
        assert same >= 3, (
            "rounding differs with the number of answers computed together: one of four may fall otherwise"
        )
        with pytest.raises(AuthenticationError):
            OpenAI(base_url=f"{state['url']}/v1", api_key="wrong").chat.completions.create(
                model="x", messages=rows[0]["messages"][:-1]
            )
    finally:
        stopped = tiny.run(sys.executable, "scripts/serve_model.py", "stop", cwd=served)
    assert "server stopped" in stopped.stdout and not psutil.pid_exists(state["pid"])
