"""What each stage gave: every model on the test rows of the last stage, in order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import facts
from gaslamp.config.schema import Config
from gaslamp.config.slices import get_slice, parse_slice
from gaslamp.core.contracts import Stages
from gaslamp.core.files import write_jsonl
from gaslamp.evaluate.stages import compare_stages

KEYS = ("method", "eval.metrics", "eval.options", "eval.confidence", "train.rewards", "data.slice")


def answer(row: int, text: str) -> dict[str, Any]:
    return {"id": str(row), "kind": "test", "text": text, "stopped": True, "tokens": 1, "seconds": 0.1}


def test_every_stage_is_scored_before_and_after(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "ok"}]
    write_jsonl(tmp_path / "test.jsonl", [{"id": str(n), "messages": turns} for n in range(10)])
    files = []
    for model, right in enumerate((1, 4, 9)):  # base, after read, after chat
        files.append(tmp_path / f"{model}.jsonl")
        write_jsonl(files[-1], [answer(n, "ok" if n < right else "no") for n in range(10)])
    places = {}
    for name, method in (("read", "cpt"), ("chat", "sft")):
        places[name] = (tmp_path / f"{name}.train.json", tmp_path / f"{name}.card.json")
        facts.train(method=method).write(places[name][0])
        facts.card().model_copy(update={"source": "org/texts@abc"}).write(places[name][1])
    facts.compare().write(tmp_path / "compare.json")
    config = Config.model_validate({"eval": {"metrics": ["exact_match"]}})
    compare_stages(
        parse_slice(get_slice(config, *KEYS)),
        [{"method": "cpt", "data": {"source": "org/texts", "revision": None}}],
        ["read", "chat"],
        files,
        tmp_path / "test.jsonl",
        [places[name][0] for name in places],
        [places[name][1] for name in places],
        [tmp_path / "compare.json"],
        tmp_path / "stages.json",
    )
    found = Stages.read(tmp_path / "stages.json")
    scores = [(one.metrics[0].base.value, one.metrics[0].tuned.value) for one in found.stages]
    assert scores == [(0.1, 0.4), (0.4, 0.9)] and found.n == 10
    assert [(one.name, one.method, one.own_verdict) for one in found.stages] == [
        ("read", "cpt", "better"),
        ("chat", "sft", None),
    ]
    assert found.stages[0].config["data"] == {"source": "org/texts", "revision": "abc"}, "the commit that was read"
    assert found.stages[0].own == facts.compare().metrics[0]
    assert found.provenance and set(found.provenance.inputs) >= {str(file) for file in files}
    assert json.loads((tmp_path / "stages.json").read_text())["stages"][1]["metrics"][0]["name"] == "exact_match"
