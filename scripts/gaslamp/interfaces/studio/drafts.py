"""A new project that is not made yet: its answers are a file, so that a reload, another tab or a restart has them."""

from __future__ import annotations

import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, TypeVar

from gaslamp.config.scaffold import make_project
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.guide.answers import DataAnswer, check_data, check_task, read_data_answer
from gaslamp.guide.changes import check_change, find_line
from gaslamp.guide.look import Look, look_at_data
from gaslamp.guide.plan import Plan, Situation
from gaslamp.guide.recommend import recommend
from gaslamp.guide.situation import look_around
from gaslamp.interfaces.studio.place import Place
from gaslamp.interfaces.studio.uploads import ID, OLD, find_upload, make_id

_T = TypeVar("_T")
KEPT = 16  # looks at data and machine that are kept in memory
FRESH = 300.0  # seconds for which the answer whether the hub can be reached is kept


class Draft(TypedDict):
    """drafts/<id>.json."""

    task: str
    data: str  # as typed; empty when a file was sent
    upload: str  # id of the file that was sent; empty without one
    wanted: dict[str, str]  # lines of the plan that a person set
    project: str  # name of the project that was made of it; empty until then


class Answers(TypedDict):
    """What is wrong with the two answers; empty when both can be used."""

    task: GaslampError | None
    data: GaslampError | None


class Drafts:
    """The drafts of a studio, and the projects that are made of them."""

    def __init__(self, place: Place) -> None:
        """Drafts are in the state folder of ``place``."""
        self.place = place
        self.folder = place.state / "drafts"
        self.uploads = place.state / "uploads"
        self._making = threading.Lock()  # cookiecutter's new folder is found by comparing before and after
        self._looks: OrderedDict[tuple[object, ...], Look] = OrderedDict()
        self._seen: OrderedDict[tuple[object, ...], Situation] = OrderedDict()

    def read(self, name: str) -> Draft | None:
        """The draft of that id; None when there is none.

        Raises:
            GaslampError: its file is damaged.
        """
        file = self.folder / f"{name}.json"
        if not ID.fullmatch(name) or not file.is_file():
            return None
        try:
            draft: Draft = read_json(file)
            texts = (draft["task"], draft["data"], draft["upload"], draft["project"], *draft["wanted"].items())
            is_whole = all(
                isinstance(text, str) for one in texts for text in (one if isinstance(one, tuple) else [one])
            )
        except (GaslampError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError):
            is_whole = False
        if not is_whole:
            raise GaslampError(
                "the answers of this new project are damaged on the disk", "answer once more: New project"
            )
        return draft

    def write(self, draft: Draft, name: str = "") -> str:
        """Keep a draft under its id, or under a new one, which is returned."""
        name = name or make_id()
        write_json(self.folder / f"{name}.json", draft)
        return name

    def get_answer(self, draft: Draft) -> DataAnswer:
        """What the second answer names: the file that was sent, else what was typed.

        Raises:
            GaslampError: the file that was sent is gone.
        """
        if not draft["upload"]:
            return read_data_answer(draft["data"])
        file = find_upload(self.uploads, draft["upload"])
        if file is None:
            raise GaslampError("the file that you sent is not here any more", "choose it once more")
        return DataAnswer(str(file), "file", str(file))

    def find_problems(self, draft: Draft) -> Answers:
        """Both answers are looked at, so that all problems are said at once."""
        found: Answers = {"task": None, "data": None}
        try:
            check_task(draft["task"])
        except GaslampError as error:
            found["task"] = error
        try:
            if not draft["upload"] and not draft["data"].strip():
                raise GaslampError("no data is named", "choose a file, type where the data is, or answer none")
            check_data(self.get_answer(draft))
        except GaslampError as error:
            found["data"] = error
        return found

    def look(self, answer: DataAnswer) -> Look:
        """A look at the data, kept as long as the file does not change."""
        key = (answer.answer, *_get_state(answer))
        if key not in self._looks:
            _keep(self._looks, key, look_at_data(answer))
        return self._looks[key]

    def make_plan(self, draft: Draft) -> Plan:
        """What is recommended, with the lines that a person set.

        Raises:
            GaslampError: the data is gone, or cannot be used any more.
        """
        answer = self.get_answer(draft)
        key = (draft["task"], answer.answer, *_get_state(answer), time.monotonic() // FRESH)
        if key not in self._seen:
            _keep(self._seen, key, look_around(draft["task"], answer.answer))
        return recommend(replace(self._seen[key], wanted=draft["wanted"]))

    def check(self, draft: Draft, changes: Mapping[str, str]) -> dict[str, str]:
        """The lines that a person set, with these changes, each checked as at a terminal.

        Raises:
            GaslampError: a line, or a value, that there is not.
        """
        wanted = dict(draft["wanted"])
        for line_name, value in changes.items():
            line = find_line(line_name, self.make_plan({**draft, "wanted": wanted}))
            wanted[line.name] = check_change(line, value)
        self.make_plan({**draft, "wanted": wanted})  # refuses what the lines together cannot be
        return wanted

    def take_back(self, name: str, draft: Draft, line: str) -> None:
        """The recommendation again for one line."""
        wanted = {key: value for key, value in draft["wanted"].items() if key != line}
        self.write({**draft, "wanted": wanted}, name)

    def create(self, name: str, draft: Draft) -> Path:
        """Make the project, once: a second tab gets the same one.

        Raises:
            GaslampError: it cannot be made; the draft stays.
        """
        assert self.place.repository is not None, "only a clone makes projects"
        with self._making:
            draft = self.read(name) or draft
            if draft["project"] and (made := self.place.find(draft["project"])):
                return made
            data = self.get_answer(draft).answer
            project, _ = make_project(
                self.place.repository, self.place.projects, draft["task"], data, dict(draft["wanted"])
            )
            self.write({**draft, "project": project.name}, name)
        if draft["upload"]:  # the project has its copy in data/raw
            shutil.rmtree(self.uploads / draft["upload"], ignore_errors=True)
        return project

    def remove_old(self) -> None:
        """Remove drafts that nobody came back to."""
        for file in self.folder.glob("*.json"):
            if time.time() - file.stat().st_mtime > OLD:
                file.unlink(missing_ok=True)


def _get_state(answer: DataAnswer) -> tuple[float, int]:
    """Changes when the file does."""
    path = Path(answer.place) if answer.kind == "file" else None
    if path is None or not path.exists():
        return 0.0, 0
    stat = path.stat()
    return stat.st_mtime, stat.st_size


def _keep(known: OrderedDict[tuple[object, ...], _T], key: tuple[object, ...], value: _T) -> None:
    known[key] = value
    while len(known) > KEPT:
        known.popitem(last=False)


def describe_look(look: Look) -> str:
    """What was seen of the data, in a sentence."""
    if look.unknown and not look.rows:
        return f"Not looked into yet: {look.unknown}."
    count = "" if look.count is None else f"{'' if look.is_exact else 'about '}{look.count:,} rows"
    columns = ", ".join(look.columns[:12]) + (" and more" if len(look.columns) > 12 else "")
    seen = f"{count or f'the first {len(look.rows)} rows'}, columns: {columns}"
    return f"{seen[0].upper()}{seen[1:]}." + (f" What they mean is open: {look.unknown}." if look.unknown else "")
