"""The two answers: what each means, and what is wrong with it, said at once."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError
from gaslamp.core.nearest import get_hint, get_nearest
from gaslamp.data.readers.files import find_files
from gaslamp.data.source_names import HUB_ID, expand_home, get_lookup_error, is_hub_id
from gaslamp.guide.language import WORDS

LONGEST_NAME = 40
_CUT_AFTER = "into onto by or as at a an than aus als im ins nach dans aux en dei desde hacia naar"
SMALL_WORDS = frozenset(" ".join([*WORDS.values(), _CUT_AFTER]).split())
"""Words that a name does not end with where it was cut."""
NOTHING = ("none", "none yet", "no", "not yet", "nothing", "nothing yet", "-")
HUB_ADDRESS = re.compile(r"(hub:|hf://datasets/|https?://huggingface\.co/datasets/)", re.IGNORECASE)
SAVED = ("dataset_dict.json", "state.json")  # a folder that `datasets` saved

KINDS = ("file", "hub", "embedded", "none")


@dataclass(frozen=True)
class DataAnswer:
    """Where the data is.

    Attributes:
        answer: as it was typed.
        kind: one of KINDS; ``file``: a file or folder of this machine.
        place: its absolute path, a hub id, the name of an embedded set; empty for none.
    """

    answer: str
    kind: str
    place: str

    @property
    def source(self) -> str:
        """The value of data.source in the project."""
        if self.kind == "embedded":
            return f"embedded:{self.place}"
        if self.kind == "none":
            return "data/raw"
        return self.place if self.kind == "hub" else f"data/raw/{get_safe_name(self.place)}"

    @property
    def path(self) -> str:
        """The file or folder to copy; empty where there is none."""
        return self.place if self.kind == "file" else ""


def get_safe_name(path: str) -> str:
    """The file name of ``path`` without anything that a rule could read as a wildcard, an option or a hidden file."""
    return re.sub(r"[^\w.-]+", "_", Path(path).name).lstrip(".-") or "data"


def read_data_answer(text: str, folder: Path | None = None) -> DataAnswer:
    """What the second answer names.

    Args:
        text: a file or folder, ``hub:owner/name`` (``owner/name`` alone where no such folder is there),
            ``embedded:NAME`` or ``none``.
        folder: where relative paths start; None: the current folder.

    Raises:
        GaslampError: a path that no file of this machine can have, or that may not be looked up.
    """
    folder = folder or Path.cwd()
    text = text.strip()
    if text.startswith("embedded:"):
        return DataAnswer(text, "embedded", text.removeprefix("embedded:").strip())
    if found := HUB_ADDRESS.match(text):
        return DataAnswer(text, "hub", text[found.end() :].strip().strip("/"))
    bare = text[1:-1] if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"" else text
    path = Path(os.path.abspath(folder / expand_home(bare)))
    try:
        if not path.exists() and bare.lower() in NOTHING:
            return DataAnswer(text, "none", "")
        if is_hub_id(bare, folder):
            return DataAnswer(text, "hub", bare)
    except OSError as error:
        raise get_lookup_error(bare, error) from error
    return DataAnswer(text, "file", str(path))


def check_task(task: str) -> None:
    """Raise when no project name can be made from the first answer."""
    if not get_project_name(task):
        raise GaslampError(
            f"no project name can be made from the task {task!r}: it has no letters or digits",
            "describe in one sentence what the model should do",
        )


def check_data(data: DataAnswer, inside: Path | None = None) -> None:
    """Raise when the second answer names nothing that can be read.

    Args:
        data: of read_data_answer.
        inside: the folder of the new project, which the data must not contain; None: not known yet.

    Raises:
        GaslampError: says what to answer instead.
    """
    if data.kind == "embedded":
        names = registry.get_library_names("embedded")
        if data.place not in names:
            raise GaslampError(
                f"there is no embedded data set {data.answer!r}",
                f"choose one of: {', '.join(f'embedded:{name}' for name in names)}; or give a file",
                get_hint(data.place, names) if get_nearest(data.place, names) else None,
            )
    elif data.kind == "hub":
        if not HUB_ID.fullmatch(data.place):
            raise GaslampError(
                f"{data.answer!r} is no data set of the hub: its id has an owner and a name",
                "write hub:owner/name, as the address of its page ends",
            )
    elif data.kind == "file":
        _check_file(data, Path(data.place), inside)


def _check_file(data: DataAnswer, path: Path, inside: Path | None) -> None:
    if re.match(r"[a-z]+://", data.answer, re.IGNORECASE):
        raise GaslampError(
            f"{data.answer} is a web address", "download the file and give its path", "a set of the hub: hub:owner/name"
        )
    try:
        is_there = path.exists()
        names = os.listdir(path.parent) if not is_there and path.parent.is_dir() else []
    except OSError as error:
        raise get_lookup_error(data.answer, error) from error
    if not is_there:
        near = get_nearest(path.name, names, cutoff=0.6) if names else None
        raise GaslampError(
            f"no such file or folder: {data.answer!r} (looked for {path})",
            (f"did you mean '{near}'? Else " if near else "")
            + "give its path, absolute or relative to the current folder",
            "there is no data yet: answer none. A set of the hub: hub:owner/name. To try things out: embedded:NAME",
        )
    if inside is not None and inside.resolve().is_relative_to(path.resolve()):
        raise GaslampError(
            f"the data folder {path} contains the new project itself",
            "give the file, or a folder that contains only the data",
        )
    try:
        if path.is_file() and path.stat().st_size == 0:
            raise GaslampError(f"{path} is empty (0 bytes)", "give a file that contains rows")
        if not any((path / name).is_file() for name in SAVED):
            find_files(path)
        if path.is_file():
            path.open("rb").close()
    except OSError as error:
        raise GaslampError(f"{path} cannot be read: {error.strerror or error}", "allow reading it") from error


def get_project_name(task: str) -> str:
    """A folder name: the words before a colon, or else the first words of the task; empty when there are no words."""
    head, colon, _ = task.partition(":")
    slug = _slugify(head) if colon and len(_slugify(head)) <= LONGEST_NAME else ""
    slug = slug or _slugify(task)
    if len(slug) > LONGEST_NAME:
        words = (slug[: LONGEST_NAME + 1].rpartition("_")[0] or slug[:LONGEST_NAME]).split("_")
        while len(words) > 1 and words[-1] in SMALL_WORDS:  # "sort_our_mails_into_the"
            words.pop()
        slug = "_".join(words)
    return slug


def _slugify(text: str) -> str:
    return re.sub(r"[\W_]+", "_", unicodedata.normalize("NFKC", text).lower()).strip("_")
