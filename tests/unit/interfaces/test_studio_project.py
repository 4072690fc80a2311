"""What the page of a project says, from its files alone: jobs that were killed or stopped, stages, the plan, drafts."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.guide import situation
from gaslamp.interfaces.studio.drafts import Draft, Drafts
from gaslamp.interfaces.studio.jobs import RECORD, Jobs, read_job
from gaslamp.interfaces.studio.place import get_clone
from gaslamp.interfaces.studio.project_facts import Reader
from gaslamp.interfaces.studio.project_pages import get_version, read_plan, render_parts
from gaslamp.interfaces.studio.stages import get_stages
from gaslamp.interfaces.studio.words import show_lines
from gaslamp.report.dashboard.project import PHASES, Phase

PATIENCE = 90.0
MAKEFILE = """\
run:
	@echo begin $$GASLAMP_PREFIX
	@touch begun
	@sleep 600
data:
	@echo 'error: rows.csv has no row'; echo '  usual fix:       put one in'; exit 1
try:
	@echo advice $(N)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "mails"
    (root / "logs").mkdir(parents=True)
    write_json(root / ".gaslamp.json", {})
    (root / "config.yaml").write_text("project: {name: Mails}\nrun: main\n")
    (root / "Makefile").write_text(MAKEFILE)
    return root


@pytest.fixture
def jobs(project: Path) -> Iterator[Jobs]:
    signal_before = signal.signal(signal.SIGINT, signal.default_int_handler)  # the child inherits what is switched off
    yield Jobs()
    signal.signal(signal.SIGINT, signal_before)
    job = read_job(project)
    if job and job.running:
        os.killpg(read_json(project / RECORD)["pid"], signal.SIGKILL)


def wait_for(condition: Callable[[], Any]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "never true"
        time.sleep(0.05)


def write_steps(project: Path, *events: dict[str, Any]) -> None:
    lines = [json.dumps({"time": "2026-01-01T00:00:00+00:00", "pid": 999999999, **event}) for event in events]
    (project / "logs" / "phases.jsonl").write_text("\n".join(lines) + "\n")


def test_stop_reaches_every_process_and_the_page_says_so(
    project: Path, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GASLAMP_PREFIX", "from the make around the studio")
    assert jobs.start(project, "run")
    wait_for((project / "begun").exists)
    assert not jobs.start(project, "run"), "one at a time"
    facts = Reader().read(project)
    assert facts.is_running and not facts.is_outside and facts.words == "Running" and facts.tail == ["begin"]
    assert jobs.stop(project)
    wait_for(lambda: read_job(project).ended is not None)  # type: ignore[union-attr]
    job = read_job(project)
    assert job and not job.running and job.stopped and job.code != 0
    facts = Reader().read(project)
    assert facts.words == "Stopped" and facts.trouble and facts.trouble.was_stopped
    assert "goes on" not in render_parts(facts)["status"] and "again to go on" in render_parts(facts)["status"]
    assert not jobs.stop(project), "nothing runs any more"


def test_another_studio_finds_the_job_of_one_that_was_killed(project: Path, jobs: Jobs) -> None:
    jobs.start(project, "run")
    wait_for((project / "begun").exists)
    assert Reader().read(project).is_running and Jobs().stop(project), "it knows the process from the record"
    wait_for(lambda: not read_job(project).running)  # type: ignore[union-attr]


def test_a_job_that_ended_while_no_studio_ran(project: Path) -> None:
    record = {"action": "run", "pid": 999999999, "created": 1.0, "ended": None, "code": None, "stopped": False}
    write_json(project / RECORD, record)
    (project / "logs" / "studio_run.log").write_text("one\ntwo\n")
    facts = Reader().read(project)
    assert facts.trouble and facts.trouble.title == "the run ended while nobody looked"
    assert facts.trouble.lines == ["one", "two"] and not facts.is_running


def test_a_pid_that_is_another_process_now_is_not_stopped(project: Path, jobs: Jobs) -> None:
    record = {"action": "run", "pid": os.getpid(), "created": 1.0, "ended": None, "code": None, "stopped": False}
    write_json(project / RECORD, record)
    assert not jobs.stop(project) and not Reader().read(project).is_running


def test_an_error_before_the_first_step_is_shown_with_its_fix(project: Path, jobs: Jobs) -> None:
    jobs.start(project, "data")
    wait_for(lambda: read_job(project).ended is not None)  # type: ignore[union-attr]
    facts = Reader().read(project)
    assert facts.words == "Something went wrong" and facts.trouble
    assert facts.trouble.title == "rows.csv has no row"
    assert any("put one in" in line for line in facts.trouble.lines) and facts.trouble.log == "logs/studio_data.log"
    write_steps(project, {"step": "prepare_data", "event": "start", "time": "2099-01-01T00:00:00+00:00"})
    assert "rows.csv" not in str(Reader().read(project).trouble), "a later start counts"


def test_an_advice_is_tried_by_its_number(project: Path, jobs: Jobs) -> None:
    jobs.start(project, "try", 2)
    wait_for(lambda: read_job(project).ended is not None)  # type: ignore[union-attr]
    assert (project / "logs" / "studio_try.log").read_text() == "advice 2\n" and read_job(project).code == 0  # type: ignore[union-attr]


def test_a_step_that_failed_and_ran_again_at_a_terminal(project: Path) -> None:
    log = project / "logs" / "train.log"
    log.write_text("epoch 1\nerror: memory ran out\n  usual fix:       a smaller batch\n")
    failed = {"step": "train_model", "event": "end", "status": "failed", "error": "memory ran out"}
    start = {"step": "train_model", "event": "start", "log": "logs/train.log"}
    write_steps(project, start, failed)
    facts = Reader().read(project)
    assert facts.trouble and facts.trouble.title == "memory ran out" and "a smaller batch" in facts.trouble.lines[-1]
    assert next(stage for stage in facts.stages if stage.title == "Train").state == "failed"
    write_steps(project, start, failed, start, {"step": "train_model", "event": "end", "status": "ok", "seconds": 3.0})
    facts = Reader().read(project)
    assert facts.trouble is None and next(stage for stage in facts.stages if stage.title == "Train").state == "done"


def test_a_file_that_cannot_be_read_is_said(project: Path) -> None:
    (project / "data").mkdir()
    write_json(project / "data" / "card.json", {"schema_version": 1})
    facts = Reader().read(project)
    assert facts.card is None and len(facts.problems) == 1 and "card.json" in facts.problems[0]
    assert "is not a Card file of this version" in render_parts(facts)["status"]


def test_the_version_changes_only_with_what_is_shown(project: Path) -> None:
    before = get_version(render_parts(Reader().read(project)))
    assert get_version(render_parts(Reader().read(project))) == before
    write_steps(
        project, {"step": "prepare_data", "event": "start", "pid": os.getppid(), "time": "2099-01-01T00:00:00Z"}
    )
    assert get_version(render_parts(Reader().read(project))) != before


def make_phase(step: str, state: str) -> Phase:
    return {"step": step, "title": step, "state": state, "seconds": 1.0, "started": None, "reason": ""}


def test_every_step_of_the_graph_belongs_to_a_stage() -> None:
    stages = get_stages([make_phase(step, "done") for step, _ in PHASES], is_done=False)
    assert [stage.title for stage in stages][-1] == "Write it up" and len(stages) == 7
    assert sum(len(stage.steps) for stage in stages) == len(PHASES)


@pytest.mark.parametrize(
    ("states", "is_done", "wanted"),
    [
        (("done", "waiting"), False, "begun"),
        (("done", "waiting"), True, "done"),
        (("waiting", "waiting"), False, "waiting"),
        (("waiting", "waiting"), True, "skipped"),
        (("done", "running"), False, "running"),
        (("failed", "running"), False, "running"),
        (("done", "failed"), False, "failed"),
        (("interrupted", "waiting"), False, "interrupted"),
    ],
)
def test_the_state_of_a_stage(states: tuple[str, str], is_done: bool, wanted: str) -> None:
    steps = [make_phase("prepare_data", states[0]), make_phase("build_data_page", states[1])]
    assert [stage.state for stage in get_stages(steps, is_done)] == [wanted]


def test_a_plan_that_cannot_be_made_names_cause_and_fix(project: Path) -> None:
    (project / "scripts").mkdir()
    script = project / "scripts" / "plan_run.py"
    script.write_text("import sys; sys.exit('error: no such model\\n  usual fix:       name another\\n')")
    with pytest.raises(GaslampError) as found:
        read_plan(project)
    assert (found.value.cause, found.value.fix) == ("no such model", "name another")
    script.write_text('import sys; print(\'{"problem": "too little memory"}\'); sys.exit(1)')
    assert read_plan(project) == {"problem": "too little memory"}


# ------------------------------------------------------------------------------------------------------------- drafts


@pytest.fixture
def all_drafts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drafts:
    monkeypatch.setattr(situation, "find_offline", lambda: "the hub is left alone in this test")
    return Drafts(get_clone(Path(), tmp_path / "projects"))


def get_draft(data: str, **others: str) -> Draft:
    return {"task": "answer notes", "data": data, "upload": "", "wanted": {}, "project": "", **others}  # type: ignore[typeddict-item]


def test_both_answers_are_refused_at_once(all_drafts: Drafts) -> None:
    found = all_drafts.find_problems({**get_draft("nowhere.csv"), "task": "  "})
    assert found["task"] and found["data"] and "nowhere.csv" in found["data"].cause
    assert all_drafts.find_problems(get_draft(""))["data"].cause == "no data is named"  # type: ignore[union-attr]
    gone = all_drafts.find_problems(get_draft("", upload="0123456789abcdef"))
    assert gone["data"] and gone["data"].cause == "the file that you sent is not here any more"
    assert not any(all_drafts.find_problems(get_draft("none")).values())


def test_a_change_is_checked_as_at_a_terminal_and_kept_in_the_file(all_drafts: Drafts, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("prompt,completion\n" + "".join(f"question {n},answer {n}\n" for n in range(60)))
    name = all_drafts.write(get_draft(str(rows)))
    with pytest.raises(GaslampError, match="dpo cannot learn from these rows"):
        all_drafts.check(get_draft(str(rows)), {"method": "dpo"})
    wanted = all_drafts.check(get_draft(str(rows)), {"max_length": "256", "demo language": "de"})
    all_drafts.write({**get_draft(str(rows)), "wanted": wanted}, name)
    draft = Drafts(all_drafts.place).read(name)
    assert draft and draft["wanted"] == {"max_length": "256", "demo language": "de"}, "another studio reads the same"
    plan = all_drafts.make_plan(draft)
    assert plan.get("max_length").value == "256" and plan.settings["demo.language"] == "de"
    all_drafts.take_back(name, draft, "max_length")
    assert all_drafts.read(name)["wanted"] == {"demo language": "de"}  # type: ignore[index]
    shown = {line.line.name: line for line in show_lines(plan)}
    assert shown["method"].kind == "choice" and "dpo" not in [option.value for option in shown["method"].options]
    assert shown["metric"].kind == "several" and set(shown["metric"].chosen) <= {
        option.value for option in shown["metric"].options
    }
    assert shown["tier"].kind == "fixed" and shown["max_length"].is_folded and not shown["base model"].is_folded


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "0123456789abcdeg", "0123456789abcdef"])
def test_no_draft(name: str, all_drafts: Drafts) -> None:
    assert all_drafts.read(name) is None


def test_an_error_of_a_step_is_shown_whole(project: Path) -> None:
    """From its cause to the end of its longest line, however many rows it names."""
    rows = [f"    - rows.csv, line {number}: column 'answer' is empty" for number in range(40)]
    fix = "  less likely fix: allow it: in config.yaml " + "and so on " * 60 + "end"
    log = project / "logs" / "main" / "prepare_data.log"
    log.parent.mkdir()
    log.write_text("\n".join(["before", "error: 40 problems in the data; " + "word " * 100, *rows, fix]) + "\n")
    write_steps(
        project,
        {"step": "prepare_data", "event": "start", "log": "logs/main/prepare_data.log"},
        {
            "step": "prepare_data",
            "event": "end",
            "status": "failed",
            "error": "40 problems in the data; " + "word " * 100,
        },
    )
    facts = Reader().read(project)
    assert facts.trouble and facts.trouble.title.endswith("word ...") and len(facts.trouble.title) <= 404
    assert facts.trouble.lines[0].startswith("error: 40 problems") and facts.trouble.lines[1:] == [*rows, fix]
    assert fix in render_parts(facts)["status"]


def test_the_plan_of_a_project_that_has_none_is_its_error(project: Path) -> None:
    (project / "scripts").mkdir()
    said = {"error": "no such model", "fixes": ["name another", "a network"]}
    (project / "scripts" / "plan_run.py").write_text(f"import sys; print({json.dumps(said)!r}); sys.exit(1)")
    with pytest.raises(GaslampError) as found:
        read_plan(project)
    assert (found.value.cause, found.value.fix) == ("no such model", "name another; or: a network")
