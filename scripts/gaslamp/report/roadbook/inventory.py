"""Which rule makes which file: read from rules/*.smk, so that the roadbook's inventory is the workflow's own."""

from __future__ import annotations

import re
from pathlib import Path

from gaslamp.config.levels import CONVERTED

ROLES = {
    "project_brief.md": "What the project is for",
    "outputs/env/system.json": "The machine",
    "outputs/env/env.json": "The Python environment of training",
    "outputs/env/preflight.json": "The gate before anything long: disk, memory, backend",
    "resources/models": "The base model: where it stands, hash, licence",
    "resources/llama.cpp/toolchain.json": "The llama.cpp programs and their version",
    "outputs/{run}/export/{format}": "The model in another format",
    "resources/llama.cpp/bin": "Links to all of llama.cpp (`make llamacpp`)",
    "data/train.jsonl": "Training rows",
    "data/valid.jsonl": "Validation rows",
    "data/test.jsonl": "Test rows, seen by evaluation only",
    "data/template.json": "How a prompt becomes tokens",
    "data/card.json": "What the data is, in figures",
    "data_strategy.md": "The same in words",
    "data/report.html": "The data as a page: sample tokens, lengths, duplicates, checks",
    "outputs/{run}/adapters": "The trained adapter (PEFT layout)",
    "outputs/{run}/train.json": "What training did",
    "outputs/{run}/eval/{who}.predictions.jsonl": "Answers to the test rows",
    "outputs/{run}/eval/report.html": "The evaluation as a page",
    "outputs/{run}/eval/compare.json": "Scores with intervals, examples, retention",
    "outputs/{run}/eval/verdict.json": "The gate of the evaluation",
    "logs/{run}/eval.log": "The evaluation as text",
    "logs/{run}/eval_compare.log": "Answers of base and tuned side by side",
    "demos/{run}/index.html": "The page to share",
    "outputs/{run}/merged": "Base and adapter in one checkpoint",
    "outputs/{run}/gguf/model-{level}.gguf": "The model for llama.cpp, as it is or quantized",
    "outputs/{run}/eval/gguf-{level}.predictions.jsonl": "Answers of a level to the test rows",
    "outputs/{run}/gguf/ladder.json": "Score and size of each level, and the recommendation",
    "outputs/{run}/gguf/parity.json": "The gate before shipping: same prompt, same stop, same answers",
    "outputs/{run}/gguf/Modelfile": "The model for Ollama",
    "outputs/{run}/gguf/bench.json": "Speed, memory, perplexity and KL divergence of each level",
    "outputs/{run}/gguf/ladder.svg": "Size against score",
    "outputs/{run}/gguf/ladder.html": "The same with the whole table, as a piece of a page",
    "outputs/{run}/gguf/imatrix.gguf": "Which weights matter, for the quantization",
    "outputs/{run}/reflection/payload.json": "What was worth remembering",
    "outputs/{run}/reflection/decisions.md": "What became of it",
    "outputs/{run}/report.html": "Data, curves, evaluation, ladder, parity and provenance in one file",
    "gaslamp.md": "This roadbook",
    "progress_log.md": "Every phase with its time, failures too",
}

BESIDE = {"mmproj-f16.gguf": "The eyes, for every level", "head.json": "The head, for every level"}
OPTIONAL = (
    "resources/llama.cpp/bin",
    "demos/{run}",
    "outputs/{run}/gguf/Modelfile",
    "outputs/{run}/gguf/{beside}",
    "outputs/{run}/gguf/imatrix.gguf",
    "outputs/{run}/lora",
    "outputs/{run}/export/",
    "outputs/{run}/eval/{who}.lm_eval",
    "outputs/{run}/eval/target",
    "logs/{run}/eval_target",
)
"""Starts of what only some configs or commands make: listed when it is there."""


def get_outputs(rules: Path, backend: str) -> list[tuple[str, str]]:
    """``(file pattern, rule)`` of every output that stays, in the order of the rules.

    Reads the text of the rules: quoted strings in each ``output:`` block. ``temp`` files are left out; of train.smk and
    remote.smk only the one that ``backend`` uses is read.
    """
    variables = {"MODEL_FACTS": "resources/models", "TOOLCHAIN": "resources/llama.cpp/toolchain.json"}
    found: list[tuple[str, str]] = []
    order = ["environment", "data", "train", "remote", "evaluate", "export", "serve", "report", "memory"]
    files = sorted(
        rules.glob("*.smk"), key=lambda file: (order.index(file.stem) if file.stem in order else len(order), file.stem)
    )
    for file in files:
        if file.stem == ("train" if backend == "colab" else "remote"):
            continue
        for body in re.split(r"^rule ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            name = body.partition(":")[0].strip()
            name = f"train_model_{backend}" if name == "train_model" else name
            block = re.search(r"^    output:\n((?:        .*\n|\n)+)", body, re.MULTILINE)
            for line in block[1].splitlines() if block else []:
                path = re.search(r'"([^"]+)"', line)
                target = path[1] if path else variables.get(line.strip().rstrip(","))
                if target and "temp(" not in line:
                    found.append((target, name))
    return found


def get_inventory(rules: Path, backend: str, run: str, levels: list[str], model: Path) -> list[tuple[str, str, str]]:
    """``(file, source, role)`` of the files of a run, the user's own first; ``levels`` without f16, ``model`` its model.json."""
    rows = [("config.yaml", "you", "Every setting")]
    for path, rule in get_outputs(rules, backend):
        values = ["f16", *levels]
        if rule in ("convert_gguf", "quantize_gguf"):
            values = [level for level in values if (level in CONVERTED) == (rule == "convert_gguf")]
        names = [path.replace("{level}", level) for level in values] if "{level}" in path else [path]
        if "{format}" in path:
            names = [
                folder.relative_to(rules.parent).as_posix()
                for folder in sorted((rules.parent / f"outputs/{run}/export").glob("[a-z]*"))
            ]
        names = [path.replace("{beside}", name) for name in BESIDE] if "{beside}" in path else names
        names = [
            name.replace("{who}", who) for name in names for who in (("base", "tuned") if "{who}" in name else ("",))
        ]
        for name in names:
            if path.startswith(OPTIONAL) and not (rules.parent / name.replace("{run}", run)).exists():
                continue
            file = model.as_posix() if name == "resources/models" else name.replace("{run}", run)
            rows.append((file, f"rule {rule}", ROLES.get(path) or BESIDE.get(Path(name).name, f"Output of {rule}")))
    train = f"rule train_model_{backend}"
    rows.append((f"checkpoints/{run}", train, "Where an interrupted training goes on"))
    rows.append((f"logs/{run}/train.metrics.jsonl", train, "Loss, learning rate and memory of each step"))
    return rows
