"""Make the base model ready on this machine: unpack the embedded one, take a folder, or download from the hub."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gaslamp.config.base_models import (
    EMBEDDED,
    VISION_TOWER_FIX,
    ModelSection,
    find_vision_tower_problem,
    get_base_name,
    is_local,
)
from gaslamp.core.console import get_duration, get_size, say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json
from gaslamp.models.embedded import unpack_embedded
from gaslamp.models.model_card import CARD, read_model_card
from gaslamp.models.model_facts import read_model_folder
from gaslamp.models.weights_check import check_weights

if TYPE_CHECKING:
    from tqdm import tqdm

PATTERNS = ("*.json", "*.safetensors", "*.model", "*.jinja", "*.txt", "LICENSE*", CARD)
"""Files of a hub model that are downloaded: no code, no pickled weights."""
LEFT_OUT = ("consolidated*",)
"""The same weights once more, in Mistral's own layout."""


def fetch_model(model: ModelSection, out: Path, mmproj: bool = False) -> None:
    """Make the base model ready on this machine and write its facts.

    Args:
        model: the ``model`` section of the config.
        out: resources/models/<name>/model.json; the weights stay in a cache that all projects share.
        mmproj: the run ends with GGUF files of a vision model, so llama.cpp must be able to convert its vision tower.

    Raises:
        GaslampError: no network, no such model, no tokenizer, weights that are not safetensors or not all of the model,
            or a vision tower that llama.cpp does not convert.
    """
    revision, license_name = model.revision, None
    if model.source.startswith("embedded:"):
        name = model.source.removeprefix("embedded:")
        folder, license_name = unpack_embedded(name), EMBEDDED[name]["license"]
    elif is_local(model.source):
        folder = Path(model.source).expanduser().resolve()
    else:
        folder = _download_from_hub(model.source, model.revision)
        revision = folder.name  # snapshots/<commit>
    facts = read_model_folder(folder)
    if not model.source.startswith("embedded:"):  # those are whole by their hash
        check_weights(folder)
    if mmproj and (reason := find_vision_tower_problem(read_json(folder / "config.json"))):
        raise GaslampError(f"{model.source}: {reason}", VISION_TOWER_FIX)
    facts.name, facts.source, facts.revision = get_base_name(model), model.source, revision
    card = read_model_card(folder)
    facts.license = license_name or card.license
    facts.license_name, facts.license_link = card.license_name, card.license_link
    facts.languages, facts.base_models = card.languages, card.base_models
    facts.write(out)
    say(f"{facts.source}: {facts.parameters / 1e6:.1f}M parameters, {facts.architecture}, {facts.dtype}")
    languages = f"; languages {', '.join(facts.languages[:12])}" if facts.languages else ""
    say(f"licence {facts.license or 'not stated: look it up before you share what you train'}{languages}")


def get_download_bar(every: float = 10.0) -> type[tqdm[object]]:
    """A tqdm class for downloads that draws no bar: it logs a progress line at most every ``every`` seconds."""
    from tqdm import tqdm

    class DownloadBar(tqdm):  # type: ignore[misc,type-arg]
        last = 0.0  # when any of the bars logged its line

        def display(self, *args: Any, **kwargs: Any) -> None:
            now = time.monotonic()
            if self.unit != "B" or not self.n or now - max(DownloadBar.last, self.started) < every:
                return
            DownloadBar.last = now
            pace = self.n / (now - self.started)
            of = f" of {get_size(self.total)}, {get_duration((self.total - self.n) / pace)} left" if self.total else ""
            say(f"downloaded {get_size(self.n)}{of}")

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.started = time.monotonic()
            super().__init__(*args, **{**kwargs, "disable": False})

        def close(self) -> None:
            self.disable = True

    return DownloadBar


def _download_from_hub(source: str, revision: str | None) -> Path:
    """The snapshot folder of a hub model in the Hugging Face cache: safetensors, config and tokenizer, no code."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    patterns = list(PATTERNS)
    try:
        return Path(
            snapshot_download(
                source,
                revision=revision,
                allow_patterns=patterns,
                ignore_patterns=list(LEFT_OUT),
                tqdm_class=get_download_bar(),
            )
        )
    except RepositoryNotFoundError as error:
        raise GaslampError(
            f"the hub has no model '{source}' that you may read",
            "check the spelling of model.source in config.yaml",
            "it is gated or private: accept its terms on the hub and log in (hf auth login)",
        ) from error
    except RevisionNotFoundError as error:
        raise GaslampError(
            f"{source} has no revision '{revision}'", "set model.revision in config.yaml to a commit or tag it has"
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        # a commit never changes: the cached one is as good as the hub's
        if revision and re.fullmatch(r"[0-9a-f]{40}", revision):
            with contextlib.suppress(LocalEntryNotFoundError):
                return Path(
                    snapshot_download(
                        source,
                        revision=revision,
                        allow_patterns=patterns,
                        ignore_patterns=list(LEFT_OUT),
                        local_files_only=True,
                    )
                )
        raise GaslampError(
            f"cannot download {source}: {str(error).splitlines()[0][:300]}",
            "connect to the network, then run the same command; finished files are kept",
            "without a network: set model.source to a local folder, or to embedded:smollm2-135m-instruct",
        ) from error
