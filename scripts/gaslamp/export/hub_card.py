"""The model card of a trained model, as the hub wants it: every figure from the facts, every command tried in a test.

https://huggingface.co/docs/hub/model-cards describes the head; huggingface_hub writes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.config.base_models import EMBEDDED
from gaslamp.config.outcome import is_converted
from gaslamp.config.slices import Slice
from gaslamp.core.contracts import Card, Compare, Ladder, ModelFacts, Parity, Template, TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.data.system_turn import begin_with_system, describe_system
from gaslamp.export.artefacts import RunFiles
from gaslamp.export.ladder_page import COLUMNS, get_cells, show_score
from gaslamp.models.checkpoint import is_vision
from gaslamp.pages.baselines import get_baseline_rows
from gaslamp.pages.markdown import code, escape, escape_cell, fence, find_placeholders, quote, strip_marks
from gaslamp.pages.starts import describe_start
from gaslamp.train.method import get_artefact

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

LICENCES = """apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0
    bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0
    cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
    cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0
    cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl
    gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr
    mpl-2.0 odc-by odbl openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr
    deepfloyd-if-license fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma
    grok2-community unknown other"""
"""Identifiers that the hub accepts (https://huggingface.co/docs/hub/repositories-licenses); any other licence is
``other`` with a name."""

TASKS = {"causal_lm": "text-generation", "classifier": "text-classification", "encoder": "sentence-similarity"}
"""What the hub calls the task of an artefact that reads and writes text."""


def render_card(run: RunFiles, settings: Slice) -> str:
    """The model card: what it is, how to use it, where its limits are, results with intervals, settings. Facts only."""
    from huggingface_hub import ModelCardData

    model, card, train = ModelFacts.read(run.model), Card.read(run.card), TrainFacts.read(run.train)
    compare, template = Compare.read(run.compare), Template.read(run.template)
    parity = Parity.read(run.gguf / "parity.json")
    files, artefact = settings.export.hub.files, get_artefact(settings.method)
    base, task = get_hub_id(model), get_task(run, settings.method, card.kind)
    is_adapter = train.trainable_parameters < train.total_parameters
    head = ModelCardData(
        base_model=base,
        base_model_relation=("adapter" if files == ["adapter"] else "finetune") if base else None,
        datasets=[card.source.split("@")[0]] if is_hub_name(card.source.split("@")[0]) else None,
        **get_licence(model),
        pipeline_tag=task,
        library_name=get_library(files, artefact),
        tags=["gaslamp", settings.method, *(["gguf"] if "gguf" in files else []), *(["lora"] if is_adapter else [])],
        model_name=settings.project.name,
        eval_results=get_results(compare, card, task),
    )
    name = quote(base or Path(model.root).name)  # the path of a folder is private
    version = (train.provenance.versions if train.provenance else {}).get("gaslamp", "")
    lines = [
        *("---", head.to_yaml(), "---", ""),
        *(f"# {quote(settings.project.name)}", ""),
        *([quote(settings.project.task), ""] if settings.project.task else []),
        *(f"**{quote(compare.headline)}**", ""),
        *("## What it is", ""),
        f"- Base model: {name}{f', revision {quote(model.revision)}' if model.revision else ''}"
        f"; weights sha256 {escape(model.starts[0].base_sha256 if model.starts else model.sha256)}",
        *(f"- Trained before, and merged into it: {quote(describe_start(start))}" for start in model.starts),
        f"- Licence of the base model: {show_licence(model)}",
        f"- Method: {escape(settings.method)}, {train.trainable_parameters:,} of {train.total_parameters:,} "
        f"parameters trained in {train.steps} steps",
        f"- Run: {code(run.train.parent.name, cell=False)}; adapter sha256 {escape(train.adapter_sha256)}",
        *(
            [
                f"- Answers end with {code(template.eos_token, cell=False)}; prompts are rendered with the chat "
                f"template in the tokenizer (sha256 {escape(template.sha256)})"
            ]
            if artefact != "encoder" and template.chat_template
            else ["- It reads plain texts, without a chat template"]
        ),
        *([f"- Prompts: {describe_system(code(card.system, cell=False), card.system_as_user)}"] if card.system else []),
        "",
        *_render_use(run, settings, base, card, task),
        *_render_limits(compare, card, artefact),
        *("## Data", "", "| Part | Rows | sha256 |", "|---|---|---|"),
        *(
            f"| {escape_cell(part)} | {card.rows.get(part, 0)} | {escape(digest)} |"
            for part, digest in card.sha256.items()
        ),
        "",
        *_render_results(compare, artefact),
        *(_render_levels(Ladder.read(run.gguf / "ladder.json")) if is_converted(settings) else []),
        f"Parity: {quote(parity.summary)}{f' (override: {quote(parity.override)})' if parity.override else ''}.",
        *("", "## Settings", "", fence(_dump({"method": settings.method, "train": settings.train.dump()}), "yaml"), ""),
        f"Made with gaslamp {escape(version)}." if version else "Made with gaslamp.",
    ]
    text = "\n".join(lines) + "\n"
    if problems := find_placeholders(text):
        raise GaslampError(
            "the model card has gaps\n" + "\n".join(f"    - {problem}" for problem in problems),
            "delete the fact file it is made from and run again",
        )
    return strip_marks(text)


def get_hub_id(model: ModelFacts) -> str | None:
    """The hub's name of the base model; None for a folder, whose path is private."""
    if model.root.startswith("embedded:"):
        return EMBEDDED[model.root.removeprefix("embedded:")]["hub_id"]
    return model.root if is_hub_name(model.root) else None


def is_hub_name(source: str) -> bool:
    """Whether a source is ``owner/name`` on the hub, and no path of this machine."""
    return bool(re.fullmatch(r"[\w.-]+/[\w.-]+", source)) and not Path(source).expanduser().exists()


def get_licence(model: ModelFacts) -> dict[str, str | None]:
    """The licence as the hub's head names it: an identifier it knows, or ``other`` with a name and where it stands."""
    if not model.license:
        return {}
    known = model.license in LICENCES.split()
    return {
        "license": model.license if known else "other",
        "license_name": model.license_name or (None if known else re.sub(r"[^\w.-]+", "-", model.license)),
        "license_link": model.license_link,
    }


def show_licence(model: ModelFacts) -> str:
    """The licence of the base model in words."""
    if not model.license:
        return "not recorded: look it up before you share this"
    name = f" ({quote(model.license_name)})" if model.license_name else ""
    return f"{quote(model.license)}{name}{f', {quote(model.license_link)}' if model.license_link else ''}"


def get_task(run: RunFiles, method: str, kind: str) -> str:
    """The hub's pipeline tag: by what the model reads and writes."""
    if kind == "speech":
        return "text-to-speech"
    return "image-text-to-text" if is_vision(run.merged) else TASKS[get_artefact(method)]


def get_library(files: Sequence[str], artefact: str) -> str | None:
    """The library whose loader fits the pushed files; None where there are GGUF files alone."""
    if "merged" in files:
        return "sentence-transformers" if artefact == "encoder" else "transformers"
    return "peft" if "adapter" in files else None


def get_results(compare: Compare, card: Card, task: str) -> list[EvalResult]:
    """The tuned model's scores for the hub's model-index, each with its interval and rows."""
    from huggingface_hub import EvalResult

    name = card.source.removeprefix("data/raw/")
    return [
        EvalResult(
            task_type=task,
            dataset_type=name if is_hub_name(name) else "private",
            dataset_name=f"{name}, test rows",
            dataset_split="test",
            metric_type=metric.name,
            metric_name=metric.title,
            metric_value=round(metric.tuned.value, 6),
            metric_args={
                "rows": metric.tuned.n,
                "confidence": compare.confidence,
                "low": round(metric.tuned.low, 6),
                "high": round(metric.tuned.high, 6),
                "base": round(metric.base.value, 6),
            },
        )
        for metric in compare.metrics
    ]


def _render_use(run: RunFiles, settings: Slice, base: str | None, card: Card, task: str) -> list[str]:
    """Commands that run what is pushed. Without a repo in the config they name the folder."""
    files, repo = settings.export.hub.files, settings.export.hub.repo or "."
    artefact = get_artefact(settings.method)
    talk = begin_with_system([{"role": "user", "content": "..."}], card.system, card.system_as_user)
    messages = json.dumps(talk, ensure_ascii=False)
    lines = ["## How to use it", ""]
    if task == "text-generation":
        ask = [
            f"messages = {messages}",
            'inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", '
            "return_dict=True)",
            "answer = model.generate(**inputs, max_new_tokens=256, do_sample=False)",
            'print(tokenizer.decode(answer[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))',
        ]
        load = ["from transformers import AutoModelForCausalLM, AutoTokenizer", ""]
        if "merged" in files:
            own = [
                f'tokenizer = AutoTokenizer.from_pretrained("{repo}")',
                f'model = AutoModelForCausalLM.from_pretrained("{repo}")',
            ]
            lines += [fence("\n".join([*load, *own, *ask]), "python"), ""]
        elif "adapter" in files:
            own = [
                "from peft import PeftModel",
                "",
                f'tokenizer = AutoTokenizer.from_pretrained("{repo}", subfolder="adapter")',
                f'base = AutoModelForCausalLM.from_pretrained("{base or "the folder of the base model"}")',
                f'model = PeftModel.from_pretrained(base, "{repo}", subfolder="adapter")',
            ]
            lines += [fence("\n".join([load[0], *own, *ask]), "python"), ""]
    elif artefact == "encoder" and "merged" in files:
        own = [
            "from sentence_transformers import SentenceTransformer",
            "",
            f'model = SentenceTransformer("{repo}")',
            'print(model.similarity(model.encode(["one text"]), model.encode(["another text"])))',
        ]
        lines += [fence("\n".join(own), "python"), ""]
    if "gguf" in files and is_converted(settings):
        level = Ladder.read(run.gguf / "ladder.json").recommended
        flags = " --embeddings" if artefact == "encoder" else " --reranking" if artefact == "classifier" else ""
        command = f"llama-server --hf-repo {repo} --hf-file gguf/model-{level}.gguf{flags}"
        if repo == ".":
            command = f"llama-server --model gguf/model-{level}.gguf{flags}"
        lines += ["With llama.cpp:", "", fence(command, "sh"), ""]
    return lines if len(lines) > 2 else []


def _render_limits(compare: Compare, card: Card, artefact: str) -> list[str]:
    """What the figures do not show."""
    lines = [
        f"- Judged on {compare.n} rows from the same source as the training rows; other inputs, languages and attacks "
        "were not tried.",
    ]
    if artefact == "causal_lm":
        lines.append("- It may repeat what training rows say, and what the base model learnt before, right or wrong.")
    if card.truncated:
        lines.append(f"- {card.truncated} rows were longer than {card.max_length} tokens and were cut.")
    if compare.near_duplicates:
        lines.append(f"- {compare.near_duplicates} test rows nearly repeat a training row.")
    if {"base", "tuned"} <= set(compare.retention):
        before, after = (show_score(compare.retention[name], "share") for name in ("base", "tuned"))
        lines.append(f"- General questions, answered by the base model: {before}; by this one: {after}.")
    return ["## Limits", "", *lines, ""]


def _render_results(compare: Compare, artefact: str) -> list[str]:
    what = {"encoder": "Ranks of the right texts for", "classifier": "Scores of"}.get(artefact, "Greedy answers to")
    lines = [
        "## Results",
        "",
        f"{what} {compare.n} test rows that training never saw; {100 * compare.confidence:g} % intervals.",
        "",
        "| Measure | Base | This model |",
        "|---|---|---|",
        *(
            f"| {quote(metric.title)} | {show_score(metric.base, metric.unit)} "
            f"| {show_score(metric.tuned, metric.unit)} |"
            for metric in compare.metrics
        ),
    ]
    if compare.baselines:
        first = compare.metrics[0]
        lines += [
            "",
            f"Without this training, by {quote(first.title)}:",
            "",
            "| Way to answer | Score | Against this model |",
            "|---|---|---|",
            *(f"| {' | '.join(quote(cell) for cell in row)} |" for row in get_baseline_rows(compare)),
        ]
    return [*lines, ""]


def _render_levels(ladder: Ladder) -> list[str]:
    """The section of the card about the GGUF files."""
    return [
        "## Levels",
        "",
        "![Size against score](ladder.svg)",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(f"| {' | '.join(escape_cell(cell) for cell in get_cells(level, ladder.unit))} |" for level in ladder.levels),
        "",
        f"Recommended: {escape(ladder.recommended)}, {quote(ladder.reason)}.",
        "",
    ]


def _dump(value: object) -> str:
    import yaml

    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
