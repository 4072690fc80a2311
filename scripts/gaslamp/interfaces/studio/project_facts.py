"""Everything that the page of a project shows, read from the project's files at every look: there is no other state."""

from __future__ import annotations

import threading
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

from pydantic import ValidationError

from gaslamp.config.edit import get_value
from gaslamp.config.methods import get_pooling
from gaslamp.core.contracts import Artefact, Bench, Card, Compare, Ladder, Parity, Verdict
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_json
from gaslamp.data.adopt import find_dropped
from gaslamp.data.generation.facts import CANDIDATES
from gaslamp.data.source_names import WAITING
from gaslamp.evaluate.tone import get_tone
from gaslamp.export.llamacpp.background import SERVED, read_state
from gaslamp.interfaces.studio.edits import GENERATE_FIELDS
from gaslamp.interfaces.studio.jobs import Job, read_job
from gaslamp.interfaces.studio.stages import Stage, get_stages
from gaslamp.interfaces.studio.trouble import LOG_LINES, Trouble, find_trouble
from gaslamp.memory.apply import Record, read_applied
from gaslamp.memory.hints import read_hints
from gaslamp.report.dashboard.outcome import get_link, get_pages, is_run_done
from gaslamp.report.dashboard.project import Project
from gaslamp.report.dashboard.snapshot import Brief, get_brief
from gaslamp.report.summary import ScoreRow, get_comparison_rows, get_level_rows, is_outdated, read_last_lines
from gaslamp.serve.server import KEY_FILE, PAGE
from gaslamp.train.advice import Advice, read_advice

_File = TypeVar("_File", bound=Artefact)
FINDINGS = 12
BEGINS = {"data": "Looking at the data", "deploy": "Starting the chat", "generate": "Having rows written"}


@dataclass
class Results:
    """How the model does after the training.

    Attributes:
        headline: the verdict in a sentence.
        tone: of the verdict (evaluate.tone).
        metric: what the scores are.
        scores: base and tuned, slices; then the files.
        parity: whether the files are the evaluated model, in a sentence.
        warnings: of the evaluation's gate.
        advice: what to try, as `make try` numbers it.
        pages: title, path in the project.
    """

    headline: str = ""
    tone: str = "even"
    metric: str = ""
    about: str = ""
    scores: list[ScoreRow] = field(default_factory=list)
    levels: list[ScoreRow] = field(default_factory=list)
    level_note: str = ""
    parity: str = ""
    parity_passed: bool = True
    warnings: list[str] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)
    is_outdated: bool = False
    pages: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Chat:
    """The served model: where its page is; empty where none is served, or where it has no page."""

    is_served: bool = False
    name: str = ""
    url: str = ""
    endpoint: str = ""
    level: str = ""


@dataclass
class ProjectFacts:
    """What the page of a project shows."""

    name: str
    title: str
    task: str
    run: str
    job: Job | None
    is_running: bool
    is_outside: bool  # something runs that the studio did not start
    is_done: bool
    has_begun: bool
    needs_data: bool
    stages: list[Stage]
    training: Brief | None
    trouble: Trouble | None
    card: Card | None
    findings: list[JsonObject]
    data_page: str
    generate: dict[str, str]  # field of the form -> value in config.yaml
    has_generated: bool
    results: Results | None
    chat: Chat
    applied: list[Record]
    notes: list[str]  # what a person found, the newest first
    tail: list[str]
    problems: list[str]  # files of the project that cannot be read

    @property
    def words(self) -> str:
        """The state in a sentence, for the head of the page and for a screen reader."""
        if self.is_running:
            action = self.job.action if self.job and self.job.running else "run"
            current = next((stage.title for stage in self.stages if stage.state == "running"), "")
            if self.training and self.training["status"] == "training":
                return f"Training: step {self.training['step']:,} of {self.training['max_steps']:,}"
            begins = BEGINS.get(action, "Running")
            return f"{begins}: {current.lower()}" if current and action != "deploy" else begins
        if self.trouble:
            held = "Held back by the evaluation" if self.trouble.is_held else "Something went wrong"
            return "Stopped" if self.trouble.was_stopped else held
        if self.chat.is_served:
            return "The model is ready to chat"
        if self.is_done:
            return "Done"
        if self.needs_data:
            return "Waiting for data"
        return "Ready to run" if self.card else "Not started"


class Reader:
    """Reads the facts of projects; what does not change is read once."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._projects: dict[Path, Project] = {}
        self._lock = threading.Lock()

    def read(self, root: Path) -> ProjectFacts:
        """A look at a project.

        Raises:
            GaslampError: a file of it is damaged in a way that no page can show.
        """
        with self._lock:
            project = self._projects.setdefault(root, Project(root))
            try:
                project.metrics.poll()
                return _read(project)
            except GaslampError:
                raise
            except Exception as error:  # whatever a file holds: it must not take the other projects down
                del self._projects[root]  # what was half read
                traceback.print_exc()
                raise GaslampError(
                    f"the project {root.name} cannot be shown: {type(error).__name__}: {str(error)[:300]}",
                    "make doctor, in its folder: it names a file that is damaged",
                    f"the last lines of make studio say which file it was; move it out of {root.name}",
                ) from error


def _read(project: Project) -> ProjectFacts:
    root = project.root
    config = project.read_facts("config.yaml")
    run, section = str(config.get("run") or "main"), config.get("project")
    section = section if isinstance(section, dict) else {}
    problems: list[str] = []
    job = _read_job(root, problems)
    is_job = bool(job and job.running)
    is_running = is_job or project.is_running()
    is_done = is_run_done(project, run)
    phases = project.get_phases()
    trainings = [one for one in project.metrics.sort() if one.run == run]
    problems += project.damaged
    card = _read_file(Card, root / "data" / "card.json", problems)
    found = [check for check in card.checks if check.get("count") and check.get("verdict") != "off"] if card else []
    return ProjectFacts(
        name=root.name,
        title=project.get_name(),
        task=str(section.get("task") or ""),
        run=run,
        job=job,
        is_running=is_running,
        is_outside=is_running and not is_job,
        is_done=is_done,
        has_begun=any(attempt.step == "train_model" for attempt in project.get_attempts()),
        needs_data=needs_data(root),
        stages=get_stages(phases, is_done and not is_running),
        training=get_brief(trainings[0]) if trainings else None,
        trouble=None if is_running else find_trouble(project, job, is_done),
        card=card,
        findings=found[:FINDINGS],
        data_page=get_link(root, "data/report.html"),
        generate={name: str(get_value(config, key) or "") for name, key in GENERATE_FIELDS.items()},
        has_generated=(root / CANDIDATES).is_file(),
        results=read_results(root, run, problems),
        chat=_read_chat(root, str(config.get("method") or "sft"), problems),
        applied=_read_applied(root, problems),
        notes=_read_notes(root, problems),
        problems=problems,
        tail=read_last_lines(root / job.log, LOG_LINES) if job and is_job else [],
    )


def needs_data(root: Path) -> bool:
    """Whether the project waits for a file in data/raw."""
    if not (root / WAITING).is_file() or (root / CANDIDATES).is_file():
        return False
    try:
        return find_dropped(root / "data" / "raw", root) is None
    except GaslampError:
        return False  # something is there; the look at it says what is wrong


def read_results(root: Path, run: str, problems: list[str]) -> Results | None:
    """Verdict, scores and pages of a run; None before its evaluation. What cannot be read is added to ``problems``."""
    outputs = root / "outputs" / run
    compare = _read_file(Compare, outputs / "eval" / "compare.json", problems)
    ladder = _read_file(Ladder, outputs / "gguf" / "ladder.json", problems)
    if compare is None and ladder is None:
        return None
    parity = _read_file(Parity, outputs / "gguf" / "parity.json", problems)
    bench = _read_file(Bench, outputs / "gguf" / "bench.json", problems)
    results = Results(is_outdated=is_outdated(run, root))
    if compare:
        first = compare.metrics[0]
        results.headline, results.tone = compare.headline, get_tone(compare)
        results.metric, results.about = f"{first.title}, {compare.n} test rows", first.about
        results.scores = get_comparison_rows(compare)
    if ladder:
        results.levels = [row for row in get_level_rows(ladder, compare, bench) if row.size]
        results.level_note = f"Recommended: {ladder.recommended}, {ladder.reason}"
    if parity:
        results.parity, results.parity_passed = parity.summary, parity.passed
    gate = outputs / "eval" / "verdict.json"
    try:
        results.warnings = Verdict.model_validate(read_json(gate)).warnings if gate.is_file() else []
        results.advice = read_advice(root, run)
    except ValidationError as error:
        problems.append(f"{gate} is not of this version: {error.errors()[0]['msg']}")
    except GaslampError as error:
        problems.append(str(error))
    results.pages = [(page["title"], page["about"], page["link"]) for page in get_pages(root, run)]
    return results


def _read_chat(root: Path, method: str, problems: list[str]) -> Chat:
    try:
        return read_chat(root, method)
    except (GaslampError, KeyError, TypeError, ValueError, OSError) as error:
        reason = error if isinstance(error, GaslampError) else f"{SERVED} is damaged ({error}): make stop, or delete it"
        problems.append(str(reason))
        return Chat()


def read_chat(root: Path, method: str) -> Chat:
    """The server of this project that `make deploy` or `make serve` started, and its chat page."""
    state = read_state(root / SERVED)
    if state is None or "level" not in state:  # not yet complete: the page of the chat is written last
        return Chat()
    key_file = root / KEY_FILE
    key = key_file.read_text(encoding="utf-8").strip() if key_file.is_file() else ""
    has_page = not get_pooling(method) and (root / PAGE / "index.html").is_file()
    return Chat(
        is_served=True,
        name=str(state["alias"]),
        url=f"{state['url']}/#{urlencode({'key': key})}" if has_page else "",
        endpoint=f"{state['url']}/v1",
        level=Path(state["model"]).name,
    )


def _read_job(root: Path, problems: list[str]) -> Job | None:
    try:
        return read_job(root)
    except GaslampError as error:
        problems.append(str(error))
        return None


def _read_applied(root: Path, problems: list[str]) -> list[Record]:
    try:
        return read_applied(root)
    except (GaslampError, KeyError, TypeError) as error:
        problems.append(str(error))
        return []


def _read_notes(root: Path, problems: list[str]) -> list[str]:
    try:
        return [one.hint for one in reversed(read_hints(root))]
    except (GaslampError, OSError) as error:
        problems.append(str(error))
        return []


def _read_file(kind: type[_File], path: Path, problems: list[str]) -> _File | None:
    """A fact file; None when it is not there, and when it cannot be read, which is added to ``problems``."""
    if not path.is_file():
        return None
    try:
        return kind.read(path)
    except (GaslampError, OSError) as error:
        problems.append(str(error))
        return None
