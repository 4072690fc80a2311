"""Which rule makes which file: read from the rules themselves, so that the roadbook lists what the workflow makes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gaslamp.config.backends import is_remote
from gaslamp.config.levels import CONVERTED

ROLES = {
    "project_brief.md": "The goal of the project",
    "outputs/env/system.json": "The machine",
    "outputs/env/env.json": "The Python environment of training",
    "outputs/env/preflight.json": "The gate before anything long: disk, memory, backend",
    "resources/models": "The base model: path, hash, licence",
    "resources/models/{start}/model.json": "The base model with what was trained before merged into it",
    "resources/models/export.json": "Whether a small copy of the base model converts and is served",
    "resources/llama.cpp/toolchain.json": "The llama.cpp programs and their version",
    "outputs/{run}/export/{format}": "The model in another format",
    "resources/llama.cpp/bin": "Links to all programs of llama.cpp (`make llamacpp`)",
    "data/train.jsonl": "Training rows",
    "data/valid.jsonl": "Validation rows",
    "data/test.jsonl": "Test rows, used by the evaluation only",
    "data/generated/candidates.jsonl": "Rows as a language model wrote them",
    "data/generated/generation.json": "How they were written: model, prompts, tokens, cost",
    "data/generated/rows.jsonl": "Of them the rows that were kept",
    "data/generated/selection.json": "Why the others were not",
    "data/template.json": "How a prompt becomes tokens",
    "data/card.json": "The data in figures",
    "data_strategy.md": "The data in words",
    "data/report.html": "The data as a page: sample tokens, lengths, duplicates, checks",
    "outputs/{run}/adapters": "The trained adapter (PEFT layout)",
    "outputs/{run}/train.json": "What training did",
    "outputs/{run}/eval/{who}.predictions.jsonl": "Answers to the test rows",
    "outputs/{run}/eval/{rival}.predictions.jsonl": "Answers of the base model with a better prompt",
    "outputs/sweep.json": "The points of the sweep on the validation rows, the best first",
    "outputs/sweep.html": "The leaderboard of the sweep",
    "outputs/{run}/learning_curve.json": "Score by training rows",
    "outputs/{run}/learning_curve.html": "The same as a page",
    "outputs/{run}/eval/report.html": "The evaluation as a page",
    "outputs/{run}/eval/compare.json": "Scores with intervals, examples, retention",
    "outputs/{run}/eval/verdict.json": "The gate after the evaluation",
    "logs/{run}/eval.log": "The evaluation as text",
    "logs/{run}/eval_compare.log": "Answers of base and tuned side by side",
    "demos/{run}/index.html": "The page to share",
    "demos/{run}/files.html": "Its second page: every file with size, speed and score",
    "demos/{run}/ladder.svg": "The plot that the first page shows",
    "demos/{run}/gaslamp.md": "A copy of this roadbook to share",
    "outputs/{run}/merged": "Base and adapter in one checkpoint",
    "outputs/{run}/gguf/model-{level}.gguf": "The model for llama.cpp, in 16 bit or quantized",
    "outputs/{run}/eval/gguf-{level}.predictions.jsonl": "Answers of a level to the test rows",
    "outputs/{run}/gguf/ladder.json": "Score and size of each level, and the recommendation",
    "outputs/{run}/gguf/parity.json": "The gate before shipping: same prompt, same stop, same answers",
    "outputs/{run}/gguf/parity_passed.txt": "The gate was passed, or overridden: without it the run fails",
    "outputs/{run}/gguf/Modelfile": "The model for Ollama",
    "outputs/{run}/gguf/bench.json": "Speed, memory, perplexity and KL divergence of each level",
    "outputs/{run}/gguf/ladder.svg": "Size against score",
    "outputs/{run}/gguf/ladder.html": "The same with the whole table, as a fragment of a page",
    "outputs/{run}/gguf/imatrix.gguf": "The importance matrix of the quantization",
    "outputs/{run}/gguf/mmproj-f16.gguf": "Companion file of every level: the vision tower",
    "outputs/{run}/gguf/head.json": "Companion file of every level: the head that makes the score",
    "outputs/{run}/base.json": "Where the base model's own file for the chat page is",
    "outputs/{run}/lora": "The adapter alone as GGUF",
    "outputs/{run}/reflection/payload.json": "What was worth remembering",
    "outputs/{run}/reflection/decisions.md": "The outcome of each candidate",
    "outputs/{run}/report.html": "Data, curves, evaluation, ladder, parity and provenance in one file",
    "gaslamp.md": "This roadbook",
    "progress_log.md": "Every phase with its time, failures too",
}
"""File pattern -> its role. A test compares it with the rules."""

VALUES = {"who": ("base", "tuned"), "companion": ("mmproj-f16.gguf", "head.json")}
"""Values of the wildcards that no setting decides."""

OPTIONAL = (
    "resources/llama.cpp/bin",
    "demos/{run}",
    "outputs/{run}/gguf/Modelfile",
    "outputs/{run}/gguf/mmproj",
    "outputs/{run}/gguf/head",
    "outputs/{run}/gguf/imatrix.gguf",
    "outputs/{run}/base.json",
    "outputs/{run}/lora",
    "outputs/{run}/learning_curve",
    "outputs/sweep",
    "outputs/{run}/export/",
    "outputs/{run}/eval/{who}.lm_eval",
    "outputs/{run}/eval/target",
    "logs/{run}/eval_target",
)
"""Beginnings of what only some configs or commands make: listed when the file exists."""


@dataclass(frozen=True)
class Output:
    """One file or folder that a rule makes and keeps; ``path`` may have wildcards."""

    path: str
    rule: str


def get_outputs(rules: Path, backend: str) -> list[Output]:
    """Every output that stays, in the order of the workflow.

    Reads the text of the rules: quoted strings in each ``output:`` block. ``temp`` files are left out. Of the two files
    that train (here, and on another machine) only the one that ``backend`` uses is read.

    Args:
        rules: the folder with the .smk files.
        backend: name of the backend that trained.
    """
    variables = {
        "BASE_FACTS": "resources/models",
        "EXPORT_TRIAL": "resources/models/export.json",
        "TOOLCHAIN": "resources/llama.cpp/toolchain.json",
    }
    found: list[Output] = []
    for file in _sort_rules(rules):
        if file.stem in ("stages", "train" if is_remote(backend) else "remote"):  # stages have a section of their own
            continue
        for body in re.split(r"^(?:rule|checkpoint) ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            name = body.partition(":")[0].strip()
            shown = re.search(r'^    name:\n        f?"([^"]+)"', body, re.MULTILINE)
            name = re.sub(r"\{.*?\}", backend, shown[1]) if shown else name
            block = re.search(r"^    output:\n((?:        .*\n|\n)+)", body, re.MULTILINE)
            for line in block[1].splitlines() if block else []:
                path = re.search(r'"([^"]+)"', line)
                target = path[1] if path else variables.get(line.strip().rstrip(","))
                if target and "temp(" not in line:
                    found.append(Output(target, name))
    return found


def _sort_rules(rules: Path) -> list[Path]:
    """The rule files in the order in which the Snakefile includes them; those that it does not name come last."""
    snakefile = rules.resolve().parent / "workflow" / "Snakefile"
    text = snakefile.read_text(encoding="utf-8") if snakefile.is_file() else ""
    order = re.findall(r'include:\s*"\.\./rules/(\w+)\.smk"', text)
    return sorted(
        rules.glob("*.smk"), key=lambda file: (order.index(file.stem) if file.stem in order else len(order), file.stem)
    )


def get_inventory(rules: Path, backend: str, run: str, levels: list[str], model: Path) -> list[tuple[str, str, str]]:
    """``(file, source, role)`` of the files of a run, the user's own first.

    Args:
        rules: the folder with the .smk files, in the project.
        backend: name of the backend that trained.
        run: name of the run.
        levels: quantization levels without f16.
        model: the model.json that the run started from; its folder is named as get_model_name says.
    """
    project, base = rules.parent, model.parent.with_name(model.parent.name.partition("+")[0])
    outputs = get_outputs(rules, backend)
    rows = [("config.yaml", "you", "Every setting")]
    for output in outputs:
        for pattern in _expand(output, project, run, levels):
            file = pattern.replace("{run}", run)
            if (output.path.startswith(OPTIONAL) or pattern.startswith(OPTIONAL)) and not (project / file).exists():
                continue
            role = ROLES.get(output.path) or ROLES.get(pattern) or f"Output of {output.rule}"
            if output.path.startswith("resources/models/{start}"):
                if Path(file).parent.name != model.parent.name or model.parent == base:
                    continue  # the base model, or a start of another stage or an earlier config
            elif pattern.startswith("resources/models"):
                file = (base / ("model.json" if pattern == "resources/models" else "export.json")).as_posix()
            rows.append((file, f"rule {output.rule}", role))
    trained = (output.rule for output in outputs if output.path == "outputs/{run}/adapters")
    train = f"rule {next(trained, f'train_model_{backend}')}"
    rows.append((f"checkpoints/{run}", train, "Where an interrupted training resumes"))
    rows.append((f"logs/{run}/train.metrics.jsonl", train, "Loss, learning rate and memory of each step"))
    return rows


def _expand(output: Output, project: Path, run: str, levels: list[str]) -> Iterator[str]:
    """The paths of an output with every wildcard but ``{run}`` filled in; unknown wildcards by the files that exist."""
    values = {**VALUES, "level": tuple(level for level in ("f16", *levels) if _makes(output.rule, level))}
    paths = [output.path]
    for name, choices in values.items():
        if f"{{{name}}}" in output.path:
            paths = [path.replace(f"{{{name}}}", choice) for path in paths for choice in choices]
    for path in paths:
        pattern = re.sub(r"\{\w+\}", "*", path.replace("{run}", run))
        if "*" not in pattern:
            yield path
            continue
        for file in sorted(project.glob(pattern)):
            yield file.relative_to(project).as_posix()


def _makes(rule: str, level: str) -> bool:
    """Whether a rule makes the file of a level: 16-bit levels are converted, the others are quantized from them."""
    if rule in ("convert_gguf", "quantize_gguf"):
        return (level in CONVERTED) == (rule == "convert_gguf")
    return True
