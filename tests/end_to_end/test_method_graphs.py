"""``method: NAME`` and rows that suit it through the whole graph of a generated project: to GGUF, or to the merged folder.

Three kinds of end run always; the others, two minutes each, with ``make test ARGS="-m graphs"``. That each method learns, and its numbers, are in tests/unit/test_methods.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
from gaslamp import registry
from gaslamp.files import read_json

NOTES = [f"{1 + (i + j) % 9} {item} for {name}" for i, item in enumerate(tiny.ITEMS) for j, name in enumerate(tiny.NAMES)]
PAIRS: list[dict[str, Any]] = [{"prompt": note, "chosen": "ok", "rejected": "no"} for note in NOTES]
PROMPTS: list[dict[str, Any]] = [{"prompt": note, "answer": "ok"} for note in NOTES]
REWARDED = {
    "train.batch_size": 8, "train.options": {"max_completion_length": 8, "num_generations": 8},
    "train.rewards": [{"name": "length", "options": {"max": 1, "unit": "characters", "slack": 8}}],
}  # fmt: skip
CASES: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "reward": (PAIRS, {}),
    "dpo": (PAIRS, {}),
    "kto": ([{"prompt": note, "completion": "ok" if n % 2 else "no", "label": bool(n % 2)} for n, note in enumerate(NOTES)], {}),
    "grpo": (PROMPTS, REWARDED),
    "embedding": ([{"anchor": note, "positive": f"{note.split()[1]} ordered {n}"} for n, note in enumerate(NOTES)], {}),
    "vision_sft": ([], {"train.options": {"shortest": 32, "longest": 64}, "train.max_length": 256}),
}


@pytest.mark.parametrize("method", [pytest.param(name, marks=[] if name in ("reward", "dpo", "grpo") else pytest.mark.graphs) for name in CASES])
def test_a_method_goes_through_the_whole_graph(method: str, tmp_path: Path) -> None:
    rows, own = CASES[method]
    settings = {**tiny.SETTINGS, "train.max_steps": 12, "method": method, **own}
    if rows:
        model, data = tiny.write_checkpoint(tmp_path / "tiny-chat"), str(tmp_path / "rows.jsonl")
        Path(data).write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    else:
        model, data = tiny.write_vision_checkpoint(tmp_path / "tiny-vision"), "embedded:digits_vision"
    project = tiny.bake(tmp_path / "projects", data, model, settings)
    done = tiny.snakemake(project)
    assert done.returncode == 0, tiny.get_rules_error(done)
    run = project / "outputs" / "main"
    facts = read_json(run / "train.json")
    assert facts["method"] == method and facts["steps"] == 12 and read_json(run / "eval" / "verdict.json")["summary"]
    assert list((run / "merged").glob("*.safetensors"))
    if method in ("dpo", "kto", "grpo"):
        assert (run / "gguf" / "model-q4_k_m.gguf").stat().st_size > 10_000 and (project / "gaslamp.md").is_file()
    if method == "reward":  # what came out judges in another project
        ask = [{"role": "user", "content": NOTES[0]}]
        good, bad = registry.get("rewards", "reward_model").score_all([ask] * 2, ["ok", "no"], [{}] * 2, model=str(run / "merged"))
        assert good > bad
