"""One invented run, complete and consistent: the fact files that report and memory read. Not a measurement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gaslamp.config.schema import Config
from gaslamp.core.contracts import (
    Bench,
    Card,
    Compare,
    Example,
    Ladder,
    Level,
    MetricResult,
    ModelFacts,
    Parity,
    ParityCheck,
    Preflight,
    Provenance,
    Score,
    StageFacts,
    Stages,
    Template,
    TrainFacts,
    Verdict,
)
from gaslamp.core.decisions import Decision
from gaslamp.core.files import sha256_text, write_json, write_text

SYSTEM_PROMPT = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"

# the shape of SmolLM2's template, written out: a default system turn when the first message is none
CHATML = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\n"
    + SYSTEM_PROMPT
    + "<|im_end|>\n"
    "{% endif %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028 {{ 7*7 }} |\n| `# x` & <!-- "


def provenance() -> Provenance:
    return Provenance(
        started="2026-11-20T10:00:00+01:00", ended="2026-11-20T10:02:30+01:00", command="python scripts/x.py"
    )


def system() -> dict[str, Any]:
    return {
        "schema_version": 1,
        "os": "Linux",
        "arch": "x86_64",
        "cpu": "AMD EPYC 7B13",
        "cores": 2,
        "memory_gb": 15.6,
        "is_apple_silicon": False,
        "apple_chip": None,
        "unified_memory_gb": None,
        "gpus": [],
        "current_python": {"path": "/usr/bin/python3", "version": "3.11.7"},
        "llama_cpp": {"installed": False, "version": None, "binaries": []},
        "install_path": {
            "name": "cpu",
            "extra": "cpu",
            "python": "3.11",
            "command": "pip install .[cpu]",
            "reason": "no GPU",
        },
        "recommended_python": "3.11",
    }


def env() -> dict[str, Any]:
    return {
        "schema_version": 1,
        "env_type": "venv",
        "isolation": "isolated",
        "prefix": "/srv/gaslamp/.venv",
        "python": "/srv/gaslamp/.venv/bin/python3",
        "python_version": "3.11.7",
        "backend": "cpu",
        "versions": {"torch": "2.13.0", "transformers": "5.17.0", "trl": "1.14.2", "peft": "0.21.2"},
        "cuda_available": False,
        "mps_available": False,
        "disk_free_gb": 80.2,
        "ready": True,
        "issues": [],
    }


def model() -> ModelFacts:
    return ModelFacts(
        provenance=provenance(),
        name="smollm2-135m-instruct",
        source="embedded:smollm2-135m-instruct",
        path="resources/models/smollm2-135m-instruct/checkpoint",
        sha256="a1" * 32,
        license="apache-2.0",
        architecture="LlamaForCausalLM",
        parameters=134_515_008,
        dtype="float32",
        context=8192,
        size_bytes=538_090_408,
    )


def template(chat_template: str = CHATML, **changes: Any) -> Template:
    values: dict[str, Any] = {
        "chat_template": chat_template,
        "sha256": sha256_text(chat_template),
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|im_end|>",
        "bos_id": 1,
        "eos_id": 2,
        "pad_id": 2,
        "stop_ids": [2],
        "stop_tokens": ["<|im_end|>"],
        "example_text": "<|im_start|>user\nOne flat white for Ada<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>\n",
        "example_ids": [1, 4093, 198, 2],
        "example_trained": [False, False, True, True],
    }
    return Template(provenance=provenance(), **(values | changes))


def card() -> Card:
    return Card(
        provenance=provenance(),
        source="embedded:orders_json",
        format="messages",
        mapping={"messages": "messages"},
        rows={"read": 1200, "train": 800, "valid": 50, "test": 200, "dropped_duplicates": 3},
        sha256={"train": "b2" * 32, "valid": "c3" * 32, "test": "d4" * 32},
        tokens={"total": {"p50": 88, "p95": 108, "max": 114}, "completion": {"p50": 41, "p95": 52, "max": 58}},
        trained_tokens=33_120,
        max_length=512,
        truncated=0,
        slices={"seen items": 150, "unseen items": 50},
        warnings=[],
        answers="json",
    )


def train(**changes: Any) -> TrainFacts:
    values: dict[str, Any] = {
        "backend": "cpu",
        "method": "sft",
        "device": "cpu, 2 threads",
        "dtype": "float32",
        "decisions": [
            Decision(name="dtype", value="float32", reason="this CPU has no fast bfloat16"),
            Decision(name="threads", value=2, reason="every core of this machine"),
        ],
        "steps": 200,
        "epochs": 1.0,
        "train_rows": 800,
        "trained_tokens": 33_120,
        "loss_first": 1.692,
        "loss_last": 0.0031,
        "valid_loss_first": 1.71,
        "valid_loss_last": 0.0058,
        "seconds": 421.5,
        "seconds_per_step": 2.1,
        "tokens_per_second": 158.0,
        "peak_memory_gb": 2.81,
        "attempts": 2,
        "resumed_from": [120],
        "trainable_parameters": 4_884_480,
        "total_parameters": 139_399_488,
        "adapter_sha256": "e5" * 32,
    }
    return TrainFacts(provenance=provenance(), **(values | changes))


def _order(name: str, items: list[tuple[int, str]], where: str) -> str:
    return json.dumps(
        {
            "customer": name,
            "items": [{"quantity": n, "item": item} for n, item in items],
            "service": where,
            "paid": False,
        }
    )


def _example(
    number: int, text: str, reference: str, base: str, tuned: str, scores: tuple[float, float], slice_: str
) -> Example:
    change = "comparable" if scores[0] == scores[1] else "improved" if scores[1] > scores[0] else "regressed"
    prompt = [
        {"role": "system", "content": "Turn the order into JSON with the keys customer, items, service, paid."},
        {"role": "user", "content": text},
    ]
    return Example(
        id=f"test-{number:04d}",
        prompt=prompt,
        reference=reference,
        base=base,
        tuned=tuned,
        base_score=scores[0],
        tuned_score=scores[1],
        change=change,
        slice=slice_,
    )


def examples(hostile: bool = False) -> list[Example]:
    one = _order("Maya", [(2, "flat white"), (1, "almond croissant")], "takeaway")
    two = _order("Jonas", [(1, "oat latte"), (3, "cinnamon roll"), (1, "orange juice")], "table 7")
    three = _order("Priya", [(4, "espresso")], "takeaway")
    four = _order("Tom", [(1, "yuzu tonic"), (2, "cardamom bun")], "table 3")
    five = _order("Ada", [(1, "tea")], "takeaway")
    rows = [
        _example(
            4,
            "Hi! Could I get two flat whites and an almond croissant to go? Name's Maya.",
            one,
            "Sure! I'd be happy to help you with your order, Maya. Two flat whites and one almond croissant to go.\n\n"
            "Is there anything else that you would like?",
            one,
            (0, 1),
            "seen items",
        ),
        _example(
            17,
            "For Jonas at table 7: one oat latte, three cinnamon rolls and an orange juice please",
            two,
            '{"order": [{"name": "oat latte"}, {"name": "cinnamon roll"}, {"name": "orange juice"}], "table": 7}',
            two,
            (0, 1),
            "seen items",
        ),
        _example(
            61,
            "four espressos, takeaway, for Priya",
            three,
            '{"customer": "Priya", "items": ["espresso"]}',
            three,
            (0, 1),
            "seen items",
        ),
        _example(
            102,
            "Tom, table three: a yuzu tonic plus two cardamom buns",
            four,
            "The order is: a yuzu tonic, two cardamom buns.",
            four.replace("cardamom bun", "cinnamon bun"),
            (0, 0),
            "unseen items",
        ),
        _example(
            140, "tea for Ada to take away", five, five, five.replace('"tea"', '"green tea"'), (1, 0), "unseen items"
        ),
    ]
    if hostile:
        rows[0].base = HOSTILE + " long" * 40 + " " + "x" * 300
        rows[0].prompt[-1]["content"] = HOSTILE
        rows[1].base = ""
        rows[1].slice = HOSTILE
        rows[0].reference = rows[0].tuned = "[" * 3000
    return rows


def score(value: float, n: int = 200, half: float = 0.03) -> Score:
    return Score(value=value, low=max(0.0, value - half), high=min(1.0, value + half), n=n)


def compare(hostile: bool = False, **changes: Any) -> Compare:
    exact = MetricResult(
        name="json_match",
        title=HOSTILE if hostile else "Same JSON as the reference",
        base=score(0.005, half=0.01),
        tuned=score(0.955),
        p_value=1e-12,
        slices={
            "seen items": {"base": score(0.007, 150, 0.01), "tuned": score(0.98, 150, 0.02)},
            "unseen items": {"base": score(0.0, 50, 0.0), "tuned": score(0.88, 50, 0.09)},
        },
    )
    fields = MetricResult(
        name="field_match",
        title="Fields that are right",
        base=score(0.21),
        tuned=score(0.987, half=0.01),
        p_value=1e-12,
    )
    values: dict[str, Any] = {
        "n": 200,
        "confidence": 0.95,
        "metrics": [exact, fields],
        "stop_rate": {"base": 0.93, "tuned": 1.0},
        "retention": {"base": score(0.625, 40, 0.15), "tuned": score(0.55, 40, 0.15)},
        "retention_lost": [
            "What is the capital of Norway?",
            "Which gas do plants take in?",
            "How many legs has a spider?",
        ],
        "gained": 191,
        "lost": 1,
        "examples": examples(hostile),
        "verdict": "better",
        "headline": HOSTILE if hostile else "191 of 200 orders become exactly the right JSON, up from 1",
        "seconds": {"base": 160.0, "tuned": 118.0},
    }
    return Compare(provenance=provenance(), **(values | changes))


def stages() -> Stages:
    sections = Config.model_validate({"method": "cpt", "data": {"source": "data/raw/read.jsonl"}}).model_dump()
    config = {part: sections[part] for part in ("method", "model", "data", "eval")}

    def get_stage(name: str, method: str, before: float, after: float, own: bool) -> StageFacts:
        metric = compare().metrics[0].model_copy(update={"base": score(before), "tuned": score(after)})
        return StageFacts(
            name=name,
            method=method,
            source=f"data/raw/{name}.jsonl",
            rows={"train": 80, "valid": 5, "test": 20},
            steps=20,
            loss_first=2.5,
            loss_last=1.25,
            adapter_sha256=method[0] * 64,
            settings={"learning_rate": 0.001, "max_steps": 20},
            config=config if own else {},
            metrics=[metric],
            own=metric if own else None,
            own_verdict="better" if own else None,
        )

    parts = [get_stage("read", "cpt", 0.1, 0.2, True), get_stage("chat", "sft", 0.2, 0.9, False)]
    return Stages(n=200, stages=parts, provenance=provenance())


def verdict(**changes: Any) -> Verdict:
    values: dict[str, Any] = {
        "passed": True,
        "verdict": "better",
        "summary": "better: 95.5 % against 0.5 % on 200 rows",
        "blocking": [],
        "warnings": [],
    }
    return Verdict(**(values | changes))


def preflight() -> Preflight:
    return Preflight(
        provenance=provenance(),
        backend="cpu",
        summary="this machine can do it",
        warnings=[],
        disk_needed_gb={"model": 0.6, "exports": 1.1},
        disk_free_gb=80.2,
        memory_needed_gb=3.1,
        memory_free_gb=12.4,
        fit="fits",
    )


def bench(levels: list[str]) -> Bench:
    figures = {
        "load_seconds": 0.4,
        "prompt_tps": 560.0,
        "gen_tps": 95.5,
        "peak_memory_gb": 0.31,
        "perplexity": 12.3,
        "perplexity_error": 0.4,
        "kl_divergence": 0.0123,
        "kl_error": 0.001,
        "same_top": 0.97,
    }
    return Bench(levels=dict.fromkeys(levels, figures), n_prompt=512, n_gen=128, threads=2, perplexity_tokens=1016)


def ladder() -> Ladder:
    def level(name: str, size: int, bits: float, value: float, same: float, within: bool) -> Level:
        measured = bench([name]).levels[name] if name != "q4_k_m" else {}  # text can be too short for perplexity
        return Level(
            level=name,
            file=f"outputs/main/gguf/model-{name}.gguf",
            size_bytes=size,
            bits_per_weight=bits,
            score=score(value),
            slices={"unseen items": score(value - 0.07, 50, 0.09)},
            same_as_f16=same,
            stop_rate=1.0,
            seconds=31.0,
            within_tolerance=within,
            **measured,  # type: ignore[arg-type]
        )

    return Ladder(
        provenance=provenance(),
        metric="json_match",
        tolerance=0.05,
        tuned=score(0.955),
        levels=[
            level("f16", 271_000_000, 16.0, 0.955, 1.0, True),
            level("q8_0", 145_000_000, 8.5, 0.95, 0.985, True),
            level("q4_k_m", 105_000_000, 6.17, 0.89, 0.91, False),
        ],
        recommended="q8_0",
        reason="smallest level within 5 points of f16",
    )


def parity(**changes: Any) -> Parity:
    check = ParityCheck(name="token ids", artefact="model-q8_0.gguf", passed=True, detail="16 of 16 prompts equal")
    values: dict[str, Any] = {
        "passed": True,
        "summary": "16 prompts agree through every artefact",
        "prompts": 16,
        "checks": [check],
    }
    return Parity(provenance=provenance(), **(values | changes))


PHASES = [
    {"step": "prepare_data", "event": "start", "time": "2026-11-20T10:00:00+01:00", "pid": 999_999_991},
    {
        "step": "prepare_data",
        "event": "end",
        "time": "2026-11-20T10:00:04+01:00",
        "pid": 999_999_991,
        "status": "ok",
        "seconds": 4.2,
        "error": None,
        "peak_memory_gb": 0.4,
    },
    {"step": "train_model", "event": "start", "time": "2026-11-20T10:00:05+01:00", "pid": 999_999_992},
    {"step": "train_model", "event": "start", "time": "2026-11-20T10:05:00+01:00", "pid": 999_999_993},
    {
        "step": "train_model",
        "event": "end",
        "time": "2026-11-20T10:09:00+01:00",
        "pid": 999_999_993,
        "status": "ok",
        "seconds": 240.0,
        "error": None,
        "peak_memory_gb": 2.8,
    },
    {
        "step": "convert_gguf_f16",
        "event": "start",
        "time": "2026-11-20T10:10:00+01:00",
        "pid": 999_999_994,
        "log": "logs/main/convert_gguf_f16.log",
    },
    {
        "step": "convert_gguf_f16",
        "event": "end",
        "time": "2026-11-20T10:10:12+01:00",
        "pid": 999_999_994,
        "status": "failed",
        "seconds": 12.0,
        "error": "no disk | space\nsecond line",
        "peak_memory_gb": 1.2,
    },
]


def write_run(root: Path, run: str = "main", hostile: bool = False) -> dict[str, Path]:
    """All fact files of the run under ``root``, at the places where the rules put them; flag name -> path."""
    out = root / "outputs" / run
    paths = {
        "system": root / "outputs/env/system.json",
        "env": root / "outputs/env/env.json",
        "preflight": root / "outputs/env/preflight.json",
        "model": root / "resources/models/smollm2-135m-instruct/model.json",
        "card": root / "data/card.json",
        "template": root / "data/template.json",
        "train": out / "train.json",
        "compare": out / "eval/compare.json",
        "verdict": out / "eval/verdict.json",
        "ladder": out / "gguf/ladder.json",
        "parity": out / "gguf/parity.json",
    }
    write_json(paths["system"], system())
    write_json(paths["env"], env())
    write_json(paths["verdict"], verdict().model_dump())
    for name, artefact in {
        "preflight": preflight(),
        "model": model(),
        "card": card(),
        "template": template(),
        "train": train(),
        "compare": compare(hostile),
        "ladder": ladder(),
        "parity": parity(),
    }.items():
        artefact.provenance = None  # so that the files are the same bytes every time
        write_json(paths[name], artefact.model_dump())
    write_text(root / "logs/phases.jsonl", "".join(json.dumps(line) + "\n" for line in PHASES))
    return paths
