"""The model hub: a folder with files and a model card written from the facts, which `make push` uploads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gaslamp.config.outcome import is_converted
from gaslamp.config.slices import Slice
from gaslamp.core.console import get_size, say
from gaslamp.core.contracts import Ladder, Parity
from gaslamp.core.document import Document, Part
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json, write_text
from gaslamp.core.seals import require_intact
from gaslamp.export.artefacts import RunFiles, get_recommended, link_or_copy, require_parity
from gaslamp.export.exporters import adapter
from gaslamp.export.exporters.gguf import HEAD, MMPROJ
from gaslamp.export.exporters.ollama import is_complete
from gaslamp.export.hub_card import render_card
from gaslamp.export.ladder_page import render_svg

TITLE = "a folder for the model hub"
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


class PushedFile(Part):
    """A file that goes to the hub."""

    path: str
    size_bytes: int


class PushDocument(Document):
    """``make push JSON=1``: what went to the hub, or would go (DRY_RUN=1)."""

    repo: str | None
    private: bool
    files: list[PushedFile]
    was_pushed: bool
    url: str | None  # of the commit


def push(folder: Path, dry_run: bool) -> PushDocument:
    """Upload a folder that ``export`` wrote; with ``dry_run`` only list what would be uploaded, without a request.

    Raises GaslampError: a file that is not as it was staged, no repo in the config, no token, or the hub's refusal.
    """
    if not (folder / PUSH).is_file():
        raise GaslampError(f"{folder} is not staged: it has no {PUSH}", "make push stages it, then pushes it")
    require_intact([folder], full=True)
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
    listed = [PushedFile(path=str(file.relative_to(folder)), size_bytes=file.stat().st_size) for file in files]
    result = PushDocument(
        repo=target["repo"], private=bool(target["private"]), files=listed, was_pushed=not dry_run, url=None
    )
    if dry_run:
        print(f"nothing was uploaded; the card: {folder / 'README.md'}")
        return result
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
    result.url = getattr(commit, "commit_url", None)
    print(f"pushed: {result.url or target['repo']}")
    return result
