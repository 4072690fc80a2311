"""Data sets of the hub, and those that `datasets` saved: loaded, pinned to a commit, as chunks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.data.readers import limits
from gaslamp.data.readers.chunks import Chunk, Numbered, Problem
from gaslamp.data.readers.columnar import get_arrow_chunks, name_classes, parse_arrow
from gaslamp.data.rows import SourceRow

Part = Any
"""A datasets.Dataset: imported late, so its type has no name here."""
Loaded = Any
"""A Part, or a dict of them by the name of their split."""


def load_saved(path: Path) -> Loaded:
    """A folder that ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk`` wrote.

    Raises:
        GaslampError: it is damaged.
    """
    import datasets

    try:
        return datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GaslampError(
            f"{path} is not a readable saved data set: {str(error)[:300]}", "save it again with save_to_disk"
        ) from error


def get_size(part: Part) -> int:
    """Bytes of a part."""
    return int(part.data.nbytes)


def get_chunks(part: Part, place: str, split: str | None) -> Iterator[Chunk]:
    """The rows of a part; class numbers become the names of the classes: people and models read names.

    Args:
        part: a datasets.Dataset.
        place: label of the chunks.
        split: which split the rows belong to.
    """
    names = {name: list(kind.names) for name, kind in part.features.items() if type(kind).__name__ == "ClassLabel"}
    tables = part.with_format("arrow").iter(limits.BATCH)
    for chunk in get_arrow_chunks((batch for table in tables for batch in table.to_batches()), place, split):
        yield Chunk(_parse_named, chunk.label, chunk.first, (chunk.payload, names), split) if names else chunk


def _parse_named(chunk: Chunk, problems: list[Problem]) -> Iterator[Numbered]:
    batch, names = chunk.payload
    for number, row in parse_arrow(Chunk(parse_arrow, chunk.label, chunk.first, batch), problems):
        name_classes(row, names)
        yield number, row


def stream_first(
    source: str, subset: str | None, split: str | None, revision: str | None, count: int
) -> Callable[[], Iterator[SourceRow]]:
    """What reads the first ``count`` rows of a hub set.

    Only these are downloaded. A slice of a split cannot be streamed.
    """
    whole = re.split(r"[\[+]", split)[0] if split else None
    loaded = load(source, subset, whole, revision, streaming=True)
    part = next(iter(loaded.values())) if isinstance(loaded, dict) else loaded
    return lambda: islice(iter(part.take(count)), count)


def pin_revision(source: str, revision: str | None) -> str:
    """The commit of a hub data set that ``revision`` (a branch, tag or commit; None: main) names now."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return str(HfApi().dataset_info(source, revision=revision).sha)
    except RevisionNotFoundError as error:
        raise GaslampError(
            f"the data set {source} has no revision '{revision}'", "correct data.revision: a branch, a tag or a commit"
        ) from error
    except (GatedRepoError, RepositoryNotFoundError) as error:
        raise GaslampError(
            f"the hub has no data set '{source}' that you may read",
            "correct data.source; for a gated or private one: hf auth login, and accept its terms on its page",
            f"it is a file or folder: '{source}' is not here",
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        cached = find_cached_commit(source, revision)
        if cached:
            return cached
        raise GaslampError(
            f"the hub does not answer for the data set {source}: {str(error)[:200]}",
            "connect to the network, or download it elsewhere and set data.source to the folder",
            f"it is a file or folder: '{source}' is not here",
        ) from error


def find_cached_commit(source: str, revision: str | None) -> str | None:
    """The commit of an earlier download, for work without a network."""
    from huggingface_hub.constants import HF_HUB_CACHE

    repo = Path(HF_HUB_CACHE) / f"datasets--{source.replace('/', '--')}"
    ref = repo / "refs" / (revision or "main")
    commit = ref.read_text(encoding="utf-8").strip() if ref.is_file() else revision or ""
    return commit if commit and (repo / "snapshots" / commit).is_dir() else None


def load(source: str, subset: str | None, split: str | None, revision: str | None, streaming: bool = False) -> Loaded:
    """``datasets.load_dataset`` with errors that say what to do.

    ``source`` may also be a local folder of the same shape.
    """
    import datasets

    try:
        return datasets.load_dataset(source, subset, split=split, revision=revision, streaming=streaming)
    except ValueError as error:
        text = str(error)
        if "Config name is missing" in text or "BuilderConfig" in text:
            found = re.search(r"\[[^\]]*\]", text)
            raise GaslampError(
                f"{source} has several subsets: {found[0] if found else text[:300]}", "set data.subset to one of them"
            ) from error
        if "Unknown split" in text or "Bad split" in text:
            raise GaslampError(f"{source}: {text[:300]}", "correct data.hub_split") from error
        raise GaslampError(
            f"{source} cannot be loaded: {text[:300]}",
            "look at its page on the hub; data.sql can read single files of it",
        ) from error
    except (OSError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise GaslampError(
            f"{source} cannot be loaded: {str(error)[:300]}", "connect to the network and try again"
        ) from error
