"""The model hub: a folder with files and a model card written from the facts, which `make push` uploads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gaslamp.config.outcome import is_converted
from gaslamp.config.slices import Slice
from gaslamp.core.console import get_size, say
from gaslamp.core.contracts import Card, Compare, Ladder, ModelFacts, Parity, Template, TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json, write_text
from gaslamp.data.system_turn import describe_system
from gaslamp.export.artefacts import RunFiles, get_recommended, link_or_copy, require_parity
from gaslamp.export.exporters import adapter
from gaslamp.export.exporters.gguf import HEAD, MMPROJ
from gaslamp.export.exporters.ollama import is_complete
from gaslamp.export.ladder_page import COLUMNS, get_cells, render_svg, show_score
from gaslamp.pages.markdown import code, escape, escape_cell, fence, find_placeholders, quote, strip_marks

REQUIRES: tuple[str, ...] = ("huggingface_hub",)
PUSH = "push.json"
"""Repo and visibility of the upload; the file itself is not uploaded."""


def export(run: RunFiles, settings: Slice, out: Path) -> None:
    """Write everything that a push would upload to ``out``: files, README.md (the model card), and push.json.

    Raises GaslampError when the parity gate did not pass.
    """
    require_parity(Parity.read(run.gguf / "parity.json"), "push")
    hub = settings.export.hub
    wanted = hub.files
    if "adapter" in wanted:
        (out / "adapter").mkdir()
        adapter.export(run, settings, out / "adapter")
    if "merged" in wanted:
        for file in sorted(run.merged.iterdir()):
            if file.is_file() and not file.name.startswith((".", "gaslamp.json")):
                link_or_copy(file, out / file.name)
    if "gguf" in wanted:
        for file in (
            get_recommended(run.gguf),
            *(run.gguf / name for name in (MMPROJ, HEAD) if (run.gguf / name).is_file()),
        ):
            link_or_copy(file, out / "gguf" / file.name)
        modelfile = run.gguf / "Modelfile"
        if modelfile.is_file() and is_complete(modelfile.read_text(encoding="utf-8")):
            shutil.copyfile(modelfile, out / "gguf" / "Modelfile")
    if "lora_gguf" in wanted:
        files = sorted((run.gguf.parent / "lora").glob("*.gguf"))
        if not files:
            raise GaslampError(
                "there is no adapter as GGUF to push",
                "add lora_gguf to export.formats, or take it out of export.hub.files",
            )
        for file in files:
            link_or_copy(file, out / "gguf" / file.name)
    if is_converted(settings):
        write_text(out / "ladder.svg", render_svg(Ladder.read(run.gguf / "ladder.json")))
    write_text(out / "README.md", render_card(run, settings))
    write_json(out / PUSH, {"repo": hub.repo, "private": hub.private})
    verify(out)
    files = [file for file in out.rglob("*") if file.is_file() and file.name != PUSH]
    say(
        f"{len(files)} files, {get_size(sum(file.stat().st_size for file in files))}, "
        f"for {hub.repo or 'no repo yet (export.hub.repo)'}"
    )


def render_card(run: RunFiles, settings: Slice) -> str:
    """The model card: base, data by hash, settings, results with intervals, ladder, parity, licence. Facts only."""
    import yaml

    model, card, train = ModelFacts.read(run.model), Card.read(run.card), TrainFacts.read(run.train)
    compare, template = Compare.read(run.compare), Template.read(run.template)
    parity = Parity.read(run.gguf / "parity.json")
    is_hub = model.source.count("/") == 1 and not Path(model.source).expanduser().exists()
    relation = "adapter" if settings.export.hub.files == ["adapter"] else "finetune"
    head = {
        "base_model": model.source if is_hub else None,
        "base_model_relation": relation if is_hub else None,
        "license": model.license or None,
        "pipeline_tag": "text-generation",
        "library_name": "peft" if settings.export.hub.files == ["adapter"] else "transformers",
        "tags": [
            "gaslamp",
            settings.method,
            *(["gguf"] if "gguf" in settings.export.hub.files else []),
            *(["lora"] if train.trainable_parameters < train.total_parameters else []),
        ],
    }
    version = (train.provenance.versions if train.provenance else {}).get("gaslamp", "")
    lines = [
        "---",
        yaml.safe_dump({key: value for key, value in head.items() if value}, sort_keys=False).rstrip(),
        "---",
        "",
    ]
    lines += [f"# {quote(settings.project.name)}", ""]
    if settings.project.task:
        lines += [quote(settings.project.task), ""]
    lines += [f"**{quote(compare.headline)}**", ""]
    # a local path is private: only the folder's name is published
    base = quote(model.source if is_hub or model.source.startswith("embedded:") else model.name)
    lines += [
        "## What it is",
        "",
        f"- Base model: {base}{f', revision {quote(model.revision)}' if model.revision else ''}"
        f"; weights sha256 {escape(model.sha256)}",
        "- Licence of the base model: "
        f"{quote(model.license) if model.license else 'not recorded: look it up before you share this'}",
        f"- Method: {escape(settings.method)}, {train.trainable_parameters:,} of {train.total_parameters:,} "
        f"parameters trained in {train.steps} steps",
        f"- Answers end with {code(template.eos_token, cell=False)}; "
        "prompts are rendered with the chat template in the tokenizer"
        f" (sha256 {escape(template.sha256)})",
        *([f"- Prompts: {describe_system(code(card.system, cell=False), card.system_as_user)}"] if card.system else []),
        "",
        "## Data",
        "",
        "| Part | Rows | sha256 |",
        "|---|---|---|",
        *(
            f"| {escape_cell(part)} | {card.rows.get(part, 0)} | {escape(digest)} |"
            for part, digest in card.sha256.items()
        ),
        "",
        "## Results",
        "",
        f"Greedy answers to {compare.n} test rows that training never saw; {100 * compare.confidence:g} % intervals.",
        "",
        "| Measure | Base | This model |",
        "|---|---|---|",
        *(
            f"| {quote(metric.title)} | {show_score(metric.base, metric.unit)} "
            f"| {show_score(metric.tuned, metric.unit)} |"
            for metric in compare.metrics
        ),
    ]
    if {"base", "tuned"} <= set(compare.retention):
        lines.append(
            f"| General questions (retention) | {show_score(compare.retention['base'], 'share')} "
            f"| {show_score(compare.retention['tuned'], 'share')} |"
        )
    lines += [
        "",
        *(_render_levels(Ladder.read(run.gguf / "ladder.json")) if is_converted(settings) else []),
        f"Parity: {quote(parity.summary)}{f' (override: {quote(parity.override)})' if parity.override else ''}.",
        "",
        "## Settings",
        "",
        fence(
            yaml.safe_dump(
                {"method": settings.method, "train": settings.train.dump()}, sort_keys=False, allow_unicode=True
            ),
            "yaml",
        ),
        "",
        f"Made with gaslamp {escape(version)}." if version else "Made with gaslamp.",
    ]
    text = "\n".join(lines) + "\n"
    if problems := find_placeholders(text):
        raise GaslampError(
            "the model card has gaps\n" + "\n".join(f"    - {problem}" for problem in problems),
            "delete the fact file it is made from and run again",
        )
    return strip_marks(text)


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


def verify(folder: Path) -> None:
    """A model card with front matter, weights, and nothing private. Raises GaslampError otherwise."""
    card = (folder / "README.md").read_text(encoding="utf-8")
    problems = [] if card.startswith("---\n") and "\n---\n" in card[4:] else ["README.md has no front matter"]
    files = [file for file in folder.rglob("*") if file.is_file()]
    if not any(file.suffix in (".safetensors", ".gguf") for file in files):
        problems.append("it has no weights")
    home = str(Path.home())
    for file in files:
        if (
            file.suffix in (".md", ".json", "")
            and file.name != "tokenizer.json"
            and len(home) > 4
            and home in file.read_text(encoding="utf-8", errors="replace")
        ):
            problems.append(f"{file.relative_to(folder)} names your home folder")
        if file.suffix in (".bin", ".pt", ".pkl"):
            problems.append(f"{file.relative_to(folder)} is a pickle file")
    if problems:
        raise GaslampError(
            f"this would not be pushed: {'; '.join(problems)}", "please report this: it is a bug in the hub exporter"
        )


def push(folder: Path, dry_run: bool) -> None:
    """Upload a folder that ``export`` wrote; with ``dry_run`` only list what would be uploaded, without a request.

    Raises GaslampError: no repo in the config, no token, or the hub's refusal.
    """
    verify(folder)
    target = read_json(folder / PUSH)
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and file.name != PUSH and not file.name.startswith(".snakemake")
    )
    visible = "private" if target["private"] else "PUBLIC"
    print(f"{'would push' if dry_run else 'pushing'} to {target['repo'] or '(export.hub.repo is not set)'}, {visible}:")
    for file in files:
        print(f"  {get_size(file.stat().st_size):>9}  {file.relative_to(folder)}")
    if dry_run:
        print(f"nothing was uploaded; the card: {folder / 'README.md'}")
        return
    if not target["repo"]:
        raise GaslampError(
            "there is no repo to push to",
            "set export.hub.repo in config.yaml to owner/name",
            "look at what would go: make push DRY_RUN=1",
        )
    import httpx
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError

    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise GaslampError(
            "HF_HUB_OFFLINE is 1, so nothing can be pushed", "unset HF_HUB_OFFLINE and run the same command"
        )
    token = get_token()  # HF_TOKEN, or the file of `hf auth login`; it is passed on and never printed
    if not token:
        raise GaslampError(
            "pushing needs a token with write access, and there is none",
            "hf auth login (or: export HF_TOKEN=...), then run the same command",
            "look at what would go: make push DRY_RUN=1",
        )
    api = HfApi(token=token)
    try:
        api.create_repo(target["repo"], private=target["private"], exist_ok=True)
        if api.repo_info(target["repo"]).private != target["private"]:
            raise GaslampError(
                f"{target['repo']} exists already and is {'public' if target['private'] else 'private'}, "
                f"the config says {visible.lower()}",
                "change its visibility on the hub, choose another export.hub.repo, or set export.hub.private",
            )
        commit = api.upload_folder(
            repo_id=target["repo"],
            folder_path=folder,
            ignore_patterns=[PUSH, ".snakemake*"],
            commit_message="Push by gaslamp",
        )
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        raise GaslampError(
            f"the hub refused the push to {target['repo']} ({status})",
            "log in with a token that may write there: hf auth login",
            "the owner in export.hub.repo is not you or an organisation of yours",
        ) from None  # the original may quote request headers
    except (httpx.HTTPError, OSError) as error:
        raise GaslampError(
            f"the hub cannot be reached: {type(error).__name__}", "connect to the network and run the same command"
        ) from None
    print(f"pushed: {commit.commit_url if hasattr(commit, 'commit_url') else target['repo']}")
