"""The studio as a person uses it: from a file to a chat, by mouse and by keyboard, over reloads and restarts."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny
from gaslamp.core.files import read_json
from gaslamp.core.ports import is_free
from gaslamp.interfaces.studio.jobs import RECORD, Jobs, read_job, stop_model
from gaslamp.interfaces.studio.place import Place, get_clone, get_single
from gaslamp.interfaces.studio.server import start_in_thread
from gaslamp.memory.apply import apply_memory
from gaslamp.memory.entry import Entry, Source
from gaslamp.memory.snapshot import get_home
from gaslamp.memory.store import list_entries, remember

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

PATIENCE = 90_000  # milliseconds, on a busy machine too
KNOWN = "ji27qzEtxXZW"  # plotly's style of maps, which the policy keeps out (test_dashboard_page.py)
TASK = "Notes: confirm the short notes of our cafe, for the waiters"


class Studio:
    """A running studio and a browser with its key."""

    def __init__(self, browser: Browser, place: Place) -> None:
        self.place = place
        self.server, address = start_in_thread(place)
        self.url, self.key = address.split("/?key=")
        self.context: BrowserContext = browser.new_context(viewport={"width": 1280, "height": 900})
        self.context.set_default_timeout(PATIENCE)
        self.problems: list[str] = []
        self.page = self.open("/")

    def open(self, path: str) -> Page:
        """A tab that notes script errors, blocked things, and requests to elsewhere."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda line: self._note(line.type, line.text))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("http://127.0.0.1:", "data:", "blob:"))
                else self.problems.append(request.url)
            ),
        )
        page.goto(f"{self.url}/?key={self.key}")
        page.goto(f"{self.url}{path}")
        return page

    def _note(self, kind: str, text: str) -> None:
        expected = ("422", "404", "ERR_CONNECTION_REFUSED", KNOWN)  # an answer that is refused is no fault of the page
        if kind == "error" and not any(part in text for part in expected):
            self.problems.append(text)

    def restart(self) -> None:
        """What a closed and a new `make studio` are to an open tab."""
        port = int(self.url.rpartition(":")[2])
        self.server.should_exit = True
        wait_for(lambda: is_free(port))
        self.page.locator("#lost").wait_for()
        self.server, _ = start_in_thread(self.place, port)

    def close(self) -> None:
        self.context.close()
        self.server.should_exit = True
        for project in self.place.list():
            job = read_job(project)
            if job and job.running:
                Jobs().stop(project)
            if (project / "outputs/serve.json").exists():  # a test failed while the model was served
                stop_model(project)


def wait_for(condition: Callable[[], Any], seconds: float = 90.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "never true"
        time.sleep(0.1)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a job of the studio inherits; an outer make or a background shell changes nothing."""
    for name, value in tiny.get_environ(get_home()).items():
        monkeypatch.setenv(name, value)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def clone(browser: Browser, tmp_path: Path) -> Iterator[Studio]:
    studio = Studio(browser, get_clone(tiny.ROOT, tmp_path / "projects"))
    yield studio
    studio.close()
    assert studio.problems == []


@pytest.fixture
def done(browser: Browser, finished: Path, tmp_path: Path) -> Iterator[Studio]:
    """The finished tiny project in the studio."""
    project = tiny.copy_project(finished, tmp_path / "projects")
    studio = Studio(browser, get_single(project))
    yield studio
    studio.close()
    assert studio.problems == []


def check_access(page: Page, where: str) -> None:
    """axe-core finds nothing serious; frames are pages of their own, with tests of their own."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page, context={"exclude": [["iframe"]]}).response["violations"]
    serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert serious == [], where


def check_looks(page: Page, where: str) -> None:
    """Light and dark, wide and narrow: nothing serious, and nothing to scroll sideways."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in (1440, 768, 390):
            page.set_viewport_size({"width": width, "height": 900})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{where}: {wide} wide at {width}"
        check_access(page, f"{where}, {scheme}")
    page.set_viewport_size({"width": 1280, "height": 900})


def chat(page: Page) -> None:
    """One question to the tiny model in the frame, greedy: what it has learnt is the answer."""
    frame = page.frame_locator("iframe.tall")
    frame.get_by_text("ready", exact=True).wait_for()
    for button in ("#open-settings", "#greedy", "#close-settings"):
        frame.locator(button).press("Enter")  # a click may lie below the edge of the window
    frame.locator("#prompt").fill("5 scone for Ana")
    frame.locator("#send:not(.stop)").click()
    frame.locator("#turns .body", has_text=re.compile(r"^ok$")).first.wait_for()


def make_project(studio: Studio, tmp_path: Path) -> Path:
    """The two questions and the plan, with the tiny model; returns the new project."""
    page = studio.page
    rows, model = tiny.write_rows(tmp_path / "our notes.csv"), tiny.write_checkpoint(tmp_path / "tiny-chat")
    page.get_by_role("link", name="New project").click()
    page.get_by_label("The task, in a sentence").fill(TASK)
    page.locator("#data").fill("nowhere.csv")
    page.locator("#data-says .problem", has_text="no such file or folder: 'nowhere.csv'").wait_for()
    assert page.locator("#data").get_attribute("aria-invalid") == "true"
    page.locator("#file").set_input_files(rows)
    page.locator("#data-says", has_text="60 rows, columns: prompt, completion.").wait_for()
    assert page.locator("#sent strong").inner_text() == "our_notes.csv" and page.locator("#data").input_value() == ""
    check_looks(page, "questions")
    page.get_by_role("button", name="Make a plan").click()
    page.get_by_role("heading", name="What it takes").wait_for()
    check_looks(page, "plan")
    page.reload()  # nothing is lost
    method = page.locator("#line-method")
    assert method.locator("select").input_value() == "sft" and method.locator("button").is_hidden()
    base = page.locator("#line-base-model")
    base.get_by_label("The model it starts from").fill("no such model")
    base.get_by_role("button", name="Set").click()
    base.locator(".problem", has_text="'no such model' is no base model").wait_for()
    wait_for(lambda: page.evaluate("document.activeElement.getAttribute('aria-label')") == "The model it starts from")
    base.get_by_label("The model it starts from").fill(str(model))
    base.get_by_role("button", name="Set").press("Enter")
    base.get_by_role("button", name="back to the recommendation").wait_for()
    page.go_back()  # no question whether to send the form again
    base.locator(".problem").wait_for()
    page.goto(page.url.partition("?")[0])
    assert base.get_by_label("The model it starts from").input_value() == str(model)
    page.get_by_role("button", name="Create the project").click()
    page.wait_for_url(re.compile("/project/notes"))
    project = studio.place.list()[0]
    assert (project / "data/raw/our_notes.csv").read_bytes() == rows.read_bytes()
    assert not list((studio.place.state / "uploads").glob("*/*")), "the project has its own copy"
    assert read_json(project / ".gaslamp.json")["wanted"] == {"base model": str(model)}
    return project


def test_from_a_file_to_the_rows_a_run_and_a_stop(clone: Studio, tmp_path: Path) -> None:
    project, page = make_project(clone, tmp_path), clone.page
    frame = page.frame_locator("iframe.page")
    frame.get_by_text("Every check passed").wait_for()  # make data really runs
    assert frame.get_by_role("heading", level=1).inner_text().split()[:2] == ["40", "rows"]
    page.locator("#part-data", has_text="40 to learn from").wait_for()
    page.locator(".loaded .figure", has_text="steps to take").first.wait_for()  # make plan
    check_looks(page, "project")
    with clone.context.expect_page() as opened:
        page.get_by_role("link", name="Correct rows by hand").click()
    opened.value.get_by_text("Row 1 of 60").wait_for()
    opened.value.close()
    before = read_job(project)
    page.get_by_role("button", name="Look at the data again").click()

    def has_looked() -> bool:
        job = read_job(project)
        return bool(job and before and job.began > before.began and not job.running and job.code == 0)

    wait_for(has_looked)
    page.locator("#start").wait_for()
    other = clone.open(f"/project/{project.name}")
    page.locator("#start").click()
    page.locator("#stop").wait_for()
    other.locator("#stop").wait_for()  # two tabs, one truth
    assert read_json(project / RECORD)["action"] == "run"
    clone.restart()
    page.locator("#lost").wait_for(state="hidden")
    assert page.locator("#stop").is_visible(), "the run outlives the studio"
    page.reload()
    page.locator("#stop").click()
    page.locator("#part-status", has_text="Stopped: what is done is kept").wait_for()
    other.locator("#part-status", has_text="Stopped: what is done is kept").wait_for()
    job = read_job(project)
    assert job and job.stopped and not job.running
    page.locator("#start").wait_for()
    page.goto(clone.url)
    page.locator(".cards .card", has_text="Stopped").wait_for()


def test_no_data_yet_then_a_file(clone: Studio, tmp_path: Path) -> None:
    page = clone.page
    page.goto(f"{clone.url}/new")
    page.get_by_label("The task, in a sentence").fill(TASK)
    page.locator("#data").fill("none")
    page.get_by_role("button", name="Make a plan").click()
    page.locator(".note", has_text="There is no data yet").wait_for()
    page.get_by_role("link", name="Task and data").click()
    page.get_by_role("heading", name="What should the model do?").wait_for()
    assert page.get_by_label("The task, in a sentence").input_value() == TASK, "back keeps the answers"
    assert page.locator("#data").input_value() == "none"
    page.get_by_role("button", name="Make a plan").click()
    page.get_by_role("button", name="Create the project").click()
    page.get_by_text("This project waits for its data.").wait_for()
    project = clone.place.list()[0]
    broken = tmp_path / "rows.exe"
    broken.write_text("no rows\n")
    page.locator("#raw").set_input_files(broken)
    page.locator("#part-status .banner.bad").wait_for()  # make data ran, and says what is wrong
    assert (project / "data/raw/rows.exe").read_text() == "no rows\n"
    assert page.locator("#part-status pre").inner_text().count("usual fix:") == 1


def test_results_pages_and_curves_of_a_finished_run(done: Studio) -> None:
    page, project = done.page, done.place.list()[0]
    compare = read_json(project / "outputs/main/eval/compare.json")
    page.locator("#part-results", has_text=compare["headline"]).wait_for()
    ladder = read_json(project / "outputs/main/gguf/ladder.json")
    row = page.locator("#part-results tr", has_text="recommended").locator("th")
    assert row.inner_text().split()[0] == ladder["recommended"]
    assert page.locator("#words").inner_text() == "Done"
    assert page.locator("#part-run .stages li.done").count() == 7
    page.locator("#curves-open summary").click()
    steps = read_json(project / "outputs/main/train.json")["steps"]
    page.frame_locator("iframe.fit").locator("#step-text", has_text=f"{steps} of {steps}").wait_for()
    wait_for(lambda: page.locator("iframe.fit").bounding_box()["height"] > 900)  # type: ignore[index] # as tall as it is
    check_looks(page, "finished project")
    for name, words in (
        ("Evaluation", "test rows"),
        ("Report", "Provenance"),
        ("Demo page", "ok"),
        ("Roadbook", "Goal"),
    ):
        with done.context.expect_page() as opened:
            page.locator("#part-results").get_by_role("link", name=name).click()
        opened.value.locator("body", has_text=words).wait_for()
        opened.value.close()


def test_chat_next_to_the_project(done: Studio) -> None:
    page, project = done.page, done.place.list()[0]
    tiny.set_config(project, **{"deploy.compare": False})
    page.locator("#deploy").focus()
    page.keyboard.press("Enter")
    page.locator("#open-chat").wait_for()
    chat(page)
    page.locator("#quiet").click()
    page.locator("#deploy").wait_for()
    assert not (project / "outputs/serve.json").exists() and page.locator("iframe.tall").count() == 0


def test_memory_notes_and_forgetting(done: Studio) -> None:
    passes: dict[str, Any] = {"priority": "high", "durability": "durable", "decision": "promote"}
    passes |= {"source": Source(project="cafe", run="main"), "date": "2026-01-01"}
    recipe = {"when": "task=sft", "settings": {"train.batch_size": 4}}
    lesson = Entry(kind="lessons", candidate_id="cafe:section_7:1a2b3c4d", title="a warm-up helps <b>", **passes)
    small = Entry(kind="skills", candidate_id="cafe:section_6:5e6f7a8b", title="small batches", **recipe, **passes)
    remember([lesson, small], get_home())
    page, project = done.page, done.place.list()[0]
    before = (project / "config.yaml").read_text()
    assert len(apply_memory(project, get_home())) == 1 and "batch_size: 4" in (project / "config.yaml").read_text()
    page.locator("#part-memory", has_text="train.batch_size = 4").wait_for()
    page.get_by_role("button", name="Take it back").click()
    page.locator("#part-memory", has_text="Nothing of earlier projects was applied").wait_for()
    assert (project / "config.yaml").read_text() == before
    page.get_by_label("Something you found").fill("small batches for the old laptop")
    page.get_by_role("button", name="Note it").click()
    wait_for(lambda: any("small batches" in file.read_text() for file in project.glob("*hint*")))
    page.locator("#part-memory .notes li", has_text="small batches for the old laptop").wait_for()
    page.get_by_role("navigation", name="Studio").get_by_role("link", name="Memory").click()
    item = page.locator(".findings li", has_text="a warm-up helps <b>")
    item.wait_for()
    check_looks(page, "memory")
    item.get_by_role("button").click()
    item.get_by_role("button", name="Forget it?").click()
    item.wait_for(state="detached")
    assert "a warm-up helps <b>" not in [one.title for one in list_entries(get_home())["lessons"]]


def test_a_run_that_failed_says_why(done: Studio) -> None:
    page, project = done.page, done.place.list()[0]
    (project / "config.yaml").write_text("run: main\ntrainx: {}\n")
    page.locator("#start").click()
    banner = page.locator("#part-status .banner.bad")
    banner.wait_for()
    assert "trainx" in banner.inner_text() and "did you mean" in banner.inner_text()


@pytest.mark.graphs
def test_from_a_file_to_a_chat(clone: Studio, tmp_path: Path) -> None:
    """The whole of it, with a stop in the middle of the training."""
    project, page = make_project(clone, tmp_path), clone.page
    page.locator("#start").wait_for()
    # long enough to be stopped, at a rate at which so many steps do not spoil the tiny model
    steps = {"train.max_steps": 300, "train.learning_rate": 0.002}
    tiny.set_config(project, **{**tiny.SETTINGS, **steps, "deploy.compare": False})
    page.locator("#start").click()
    page.locator("#part-run progress").wait_for(timeout=300_000)
    page.frame_locator("iframe.fit").locator("#charts figure").first.wait_for()
    page.locator("#stop").click()
    page.locator("#part-status", has_text="it goes on from there").wait_for()
    assert list((project / "checkpoints" / "main").rglob("checkpoint-*")), "its state is saved"
    page.get_by_role("button", name="Go on where it stopped").click()
    page.locator("#deploy").wait_for(timeout=600_000)
    history = read_json(project / "outputs/main/train.json")
    assert history["steps"] == 300
    page.locator("#deploy").click()
    page.locator("#open-chat").wait_for(timeout=300_000)
    chat(page)
    page.locator("#quiet").click()
    page.locator("#deploy").wait_for()
