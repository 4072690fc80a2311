"""``method: NAME`` and rows that suit it through the whole graph of a generated project, to quantized and proven GGUF
files.

One method of each way through the rules runs always (``sft`` in nearly every other test); the others, two minutes each,
with ``make test ARGS="-m graphs"``. That each method learns, and its numbers, are in tests/unit/test_methods.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
from gaslamp.core import registry
from gaslamp.core.files import read_json
from gaslamp.train.method import get_artefact

NOTES = [
    f"{1 + (i + j) % 9} {item} for {name}" for i, item in enumerate(tiny.ITEMS) for j, name in enumerate(tiny.NAMES)
]
PAIRS: list[dict[str, Any]] = [{"prompt": note, "chosen": "ok", "rejected": "no"} for note in NOTES]
PROMPTS: list[dict[str, Any]] = [{"prompt": note, "answer": "ok"} for note in NOTES]
REWARDED = {
    "train.batch_size": 8,
    "train.options": {"max_completion_length": 8, "num_generations": 8},
    "train.rewards": [{"name": "length", "options": {"max": 1, "unit": "characters", "slack": 8}}],
}
Case = tuple[list[dict[str, Any]], dict[str, Any]]
CASES: dict[str, Case] = {
    "cpt": ([{"text": f"{note}: ok"} for note in NOTES], {}),
    "kto": (
        [{"prompt": note, "completion": "ok" if n % 2 else "no", "label": bool(n % 2)} for n, note in enumerate(NOTES)],
        {},
    ),
    "online_dpo": (PROMPTS, {**REWARDED, "train.options": {"max_completion_length": 8}}),
    "tts": ([], {"export.formats": ["gguf", "ollama", "speech"], "eval.max_new_tokens": 24}),
    "embedding": ([{"anchor": note, "positive": f"{note.split()[1]} ordered {n}"} for n, note in enumerate(NOTES)], {}),
    "vision_sft": ([], {"train.options": {"shortest": 32, "longest": 64}}),
    **{name: (PAIRS, {}) for name in ("reward", "dpo", "orpo")},
    # alone it makes "ok" likelier than "no" and says neither: bytes that are no text, which transformers and llama.cpp
    # print differently
    "simpo": (PAIRS, {"train.options": {"sft_weight": 1.0}}),
    **dict.fromkeys(("grpo", "gspo", "dr_grpo", "dapo", "rloo"), (PROMPTS, REWARDED)),
}
ALWAYS = ("reward", "vision_sft")


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=[] if name in ALWAYS else pytest.mark.graphs) for name in CASES]
)
def test_a_method_goes_through_the_whole_graph(method: str, tmp_path: Path) -> None:
    rows, own = CASES[method]
    settings = {**tiny.SETTINGS, "train.max_steps": 12, "method": method, **own}
    if rows:
        bare = {"template": None} if method == "cpt" else {}  # its base model needs no chat template
        model, data = tiny.write_checkpoint(tmp_path / "tiny-chat", **bare), str(tmp_path / "rows.jsonl")
        Path(data).write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    elif method == "tts":
        model, data = (
            tiny.write_speech_checkpoint(tmp_path / "tiny-speech"),
            str(tiny.write_sounds(tmp_path / "sounds").parent),
        )
        settings |= {"data.speech.codec": str(tiny.write_codec(tmp_path / "codec"))}
    else:
        model, data = tiny.write_idefics_checkpoint(tmp_path / "tiny-vision"), "embedded:digits_vision"
    if method == "embedding":
        model = "embedded:all-minilm-l6-v2"  # a real encoder, from the package index
    project = tiny.bake(tmp_path / "projects", data, model, settings)
    done = tiny.snakemake(project)
    assert done.returncode == 0, tiny.get_rules_error(done)
    run = project / "outputs" / "main"
    facts = read_json(run / "train.json")
    assert facts["method"] == method and facts["steps"] == 12 and read_json(run / "eval" / "verdict.json")["summary"]
    assert list((run / "merged").glob("*.safetensors"))
    assert (run / "gguf" / "model-q4_k_m.gguf").stat().st_size > 10_000
    assert method == "cpt" or (read_json(run / "gguf" / "parity.json")["passed"] and (project / "gaslamp.md").is_file())
    assert (run / "gguf" / "Modelfile").is_file() == (method != "cpt" and get_artefact(method) == "causal_lm")
    if method == "vision_sft":
        assert "\nFROM ./mmproj-f16.gguf\n" in (run / "gguf" / "Modelfile").read_text(encoding="utf-8")
        checks = {
            check["name"]: check["detail"]
            for check in read_json(run / "gguf" / "parity.json")["checks"]
            if check["artefact"] == "q4_k_m"
        }
        assert "those of images included" in checks["endpoint prompt"]
        with (project / "scripts" / "convert_companion.py").open("a", encoding="utf-8") as handle:
            handle.write("# another vision tower\n")
        reports = ("write_modelfile", "reflect", "build_report", "write_roadbook", "build_demo_files", "write_progress")
        jobs = {
            "convert_companion": 1,
            "evaluate_gguf": 3,
            "build_ladder": 1,
            "check_parity": 1,
            "require_parity": 1,
            **dict.fromkeys(reports, 1),
        }
        assert tiny.get_jobs(project) == jobs, "the levels are evaluated again, and not made again"
    if method == "tts":
        assert (
            list((run / "export" / "speech").glob("*-recording.wav"))
            and (run / "export" / "speech" / "index.html").is_file()
        )
    if method == "reward":  # what came out judges in another project
        ask = [{"role": "user", "content": NOTES[0]}]
        good, bad = registry.get("rewards", "reward_model").score_all(
            [ask] * 2, ["ok", "no"], [{}] * 2, model=str(run / "merged")
        )
        assert good > bad
