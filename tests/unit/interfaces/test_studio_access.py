"""Who the studio answers: the browser with the key, of this machine, from its own pages; and what a file may be."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import yaml
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import write_json
from gaslamp.core.liveness import OWNER
from gaslamp.evaluate.gate import require
from gaslamp.export.llamacpp.background import SERVED
from gaslamp.guide import look
from gaslamp.interfaces.studio import interview, project_facts, project_pages, uploads
from gaslamp.interfaces.studio.access import read_key
from gaslamp.interfaces.studio.jobs import Jobs, read_job
from gaslamp.interfaces.studio.place import get_clone, get_single
from gaslamp.interfaces.studio.server import get_app
from gaslamp.memory.entry import Entry
from gaslamp.memory.snapshot import get_home
from gaslamp.memory.store import list_entries, remember
from gaslamp.report.dashboard.outcome import PAGE_POLICY
from starlette.testclient import TestClient

BASE = "http://127.0.0.1:8600"
OURS = {"origin": BASE}
KEY = "k" * 32


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GASLAMP_HOME", str(tmp_path / "memory"))
    root = tmp_path / "projects" / "mails"
    root.mkdir(parents=True)
    write_json(root / ".gaslamp.json", {})
    (root / "config.yaml").write_text("project: {name: Mails, task: '<b>sort</b> mails'}\nrun: main\n")
    return root


@pytest.fixture
def client(project: Path) -> Iterator[TestClient]:
    app = get_app(get_clone(Path(), project.parent), KEY)
    with TestClient(app, base_url=BASE, follow_redirects=False) as client:
        client.cookies.set("gaslamp-studio-8600", KEY)
        yield client


def test_the_key_becomes_a_cookie_that_no_other_page_can_use(client: TestClient) -> None:
    client.cookies.clear()
    assert client.get("/").status_code == 403
    assert client.get("/?key=wrong").status_code == 403
    answer = client.get(f"/?key={KEY}")
    assert answer.status_code == 303 and answer.headers["location"] == "/", "the key leaves the address"
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(f"gaslamp-studio-8600={KEY}") and "httponly" in cookie and "samesite=strict" in cookie
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"host": "evil.example:8600"}, "rebound name"),
        ({"origin": "http://evil.example"}, "other origin"),
        ({"origin": "null"}, "sandboxed page"),
        ({"origin": "http://127.0.0.1:8081"}, "another server of this machine"),
        ({"origin": BASE, "sec-fetch-site": "cross-site"}, "other site"),
        ({}, "no origin at all"),
    ],
)
def test_a_form_of_another_page_changes_nothing(
    client: TestClient, project: Path, headers: dict[str, str], why: str
) -> None:
    answer = client.post("/project/mails/hint", data={"hint": "x"}, headers=headers)
    assert answer.status_code == 403, why
    assert not (project / "memory_hints.json").exists() and not list(project.glob("*hint*")), why


def test_pages_load_nothing_from_elsewhere_and_show_text_as_text(client: TestClient) -> None:
    answer = client.get("/project/mails")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy and "form-action 'self'" in policy
    assert "&lt;b&gt;sort&lt;/b&gt; mails" in answer.text and "<b>sort" not in answer.text
    assert "style=" not in answer.text and "<script>" not in answer.text


def test_a_project_gives_its_pages_and_no_other_file(client: TestClient, project: Path) -> None:
    (project / "data").mkdir()
    (project / "data" / "report.html").write_text("<p>rows</p>")
    (project / "outputs" / "main").mkdir(parents=True)
    (project / "outputs" / "main" / "report.html").symlink_to("/etc/passwd")
    (project / "outputs" / ".serve.key").write_text("secret")
    answer = client.get("/project/mails/files/data/report.html")
    assert answer.text == "<p>rows</p>" and answer.headers["content-security-policy"] == PAGE_POLICY
    assert "connect-src" not in PAGE_POLICY and "form-action 'none'" in PAGE_POLICY, "it may ask the studio nothing"
    for path in (
        "outputs/.serve.key",
        "config.yaml",
        "data/../outputs/.serve.key",
        "data/..%2foutputs%2f.serve.key",
        "outputs/main/report.html",
        "outputs/../../../etc/report.html",
    ):
        assert client.get(f"/project/mails/files/{path}").status_code == 404, path
    for name in ("..%2f..", "%2e%2e%2fmails", ".studio", "nothing"):
        assert client.get(f"/project/{name}").status_code == 404, name


def test_a_markdown_page_is_shown_as_one_and_its_markup_stays_text(client: TestClient, project: Path) -> None:
    (project / "data").mkdir()
    (project / "data" / "report.html").write_text("<p>rows</p>")
    (project / "gaslamp.md").write_text(
        "# Roadbook\n\n| a | b |\n|---|---|\n| 1 | <script>alert(1)</script> |\n\n[bad](javascript:alert(1)) "
        "[page](data/report.html) [other](config.yaml) [web](https://example.org) ![p](https://example.org/p.png)\n"
    )
    text = client.get("/project/mails/files/gaslamp.md?v=1").text
    article = text.partition("<article")[2]
    assert "<h1>Roadbook</h1>" in article and "<td>1</td>" in article
    assert "&lt;script&gt;" in article and "<script" not in article.partition("</article>")[0] and "<img" not in article
    assert 'href="data/report.html"' in article and "<span>other</span>" in article
    assert 'href="javascript' not in article and 'href="https://example.org" target="_blank" rel="noopener"' in article
    assert client.get("/project/mails/files/gaslamp.md?as=text").text.startswith("# Roadbook")


def test_rows_are_written_by_hand_in_the_studio(client: TestClient, project: Path) -> None:
    """The page of `make label`, behind the key of the studio."""
    waits(project)
    page = client.get("/project/mails").text
    assert 'href="/project/mails/label/"' in page and 'action="/project/mails/generate"' in page
    assert client.get("/project/mails/label/").status_code == 200
    new = client.post("/project/mails/label/api/change", json={"action": "new"}, headers=OURS).json()["item"]
    texts = {"messages.0": "Where is it?", "messages.1": "delivery"}
    body = {"id": new["id"], "action": "edit", "version": "", "texts": texts}
    assert client.post("/project/mails/label/api/change", json=body, headers=OURS).status_code == 200
    assert "delivery" in (project / "data/raw/gaslamp-labels.jsonl").read_text()
    assert client.get("/project/mails/review/").status_code == 422, "nothing was generated"
    client.cookies.clear()
    assert client.get("/project/mails/label/").status_code == 403


def waits(project: Path) -> None:
    (project / "data/raw").mkdir(parents=True)
    (project / "data/raw/README").write_text("no data yet")
    endpoint = "    endpoint:\n      url: ''\n      model: ''\n      key_env: null\n"
    generate = f"  generate:\n    rows: 0 # how many\n{endpoint}    licence: ''\n"
    text = f"run: main # the name\nmethod: sft\ndata:\n  source: data/raw\n{generate}"
    (project / "config.yaml").write_text(text)


def test_a_model_writes_rows_from_a_form(client: TestClient, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(Jobs, "start", lambda self, root, action, number=0: started.append(action))
    waits(project)
    before = (project / "config.yaml").read_text()
    fields = {"rows": "40", "url": "http://127.0.0.1:9/v1", "model": "m", "licence": "apache-2.0", "key_env": ""}
    for wrong in ({"rows": "many"}, {"model": ""}, {"licence": ""}):
        answer = client.post("/project/mails/generate", data={**fields, **wrong}, headers=OURS)
        assert answer.status_code == 422 and (project / "config.yaml").read_text() == before, wrong
    assert client.post("/project/mails/generate", data=fields, headers=OURS).status_code == 303
    data = yaml.safe_load((project / "config.yaml").read_text())["data"]["generate"]
    assert (data["rows"], data["endpoint"]["model"], data["licence"]) == (40, "m", "apache-2.0")
    assert "# how many" in (project / "config.yaml").read_text() and started == ["generate"]


def test_what_stops_the_run_is_allowed_by_a_button(
    client: TestClient, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(Jobs, "start", lambda self, root, action, number=0: started.append(action))
    text = "run: main\ndata:\n  source: embedded:orders_json\n  checks: {}\n"
    (project / "config.yaml").write_text(text)
    assert client.post("/project/mails/allow", headers=OURS).status_code == 303 and started == [], "nothing to allow"
    (project / "logs").mkdir()
    step = {"step": "prepare_data", "pid": 999999999, "time": "2026-01-01T00:00:00+00:00"}
    end = {"event": "end", "status": "failed", "error": "2 problems in the data"}
    allows = {"data.checks": {"wrong_types": {"max_percentage": 4.01}}}
    lines = [{**step, "event": "start"}, {**step, **end, "allows": allows}]
    (project / "logs/phases.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert 'action="/project/mails/allow"' in client.get("/project/mails").text
    assert client.post("/project/mails/allow", headers=OURS).status_code == 303 and started == ["data"]
    checks = yaml.safe_load((project / "config.yaml").read_text())["data"]["checks"]
    assert checks == {"wrong_types": {"max_percentage": 4.01}}
    assert "Leave these rows out" in client.get("/project/mails").text
    verdict = {"passed": False, "verdict": "same", "summary": "no difference", "warnings": []}
    blocking = ["tuned is not better than base", "general knowledge fell: 50% to 10%"]
    write_json(project / "verdict.json", {**verdict, "blocking": blocking, "advice": []})
    with pytest.raises(GaslampError, match="set eval.gate: warn and eval.forgetting_gate: warn") as held:
        require(project / "verdict.json")
    lines = [{**step, "step": "merge_adapters", "event": "start"}]
    lines += [{**step, **end, "step": "merge_adapters", "error": held.value.cause, "allows": held.value.allows}]
    (project / "logs/phases.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = client.get("/project/mails").text
    assert "Make the files all the same" in page and "Held back by the evaluation" in page
    assert client.post("/project/mails/allow", headers=OURS).status_code == 303 and started == ["data", "run"]
    gates = yaml.safe_load((project / "config.yaml").read_text())["eval"]
    assert gates == {"gate": "warn", "forgetting_gate": "warn"}


def test_the_studio_of_one_project_shows_no_other_and_makes_none(project: Path) -> None:
    other = project.parent / "other"
    other.mkdir()
    write_json(other / ".gaslamp.json", {})
    with TestClient(get_app(get_single(project), KEY), base_url=BASE, follow_redirects=False) as client:
        client.cookies.set("gaslamp-studio-8600", KEY)
        assert client.get("/").headers["location"] == "/project/mails"
        assert client.get("/project/mails").status_code == 200
        assert client.get("/project/other").status_code == 404
        assert client.get("/new").status_code == 404 and client.post("/upload?name=a", headers=OURS).status_code == 404


def test_the_key_file_is_for_its_owner_and_outlives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / ".studio" / "key"
    key = read_key(file)
    assert len(key) >= 32 and stat.S_IMODE(file.stat().st_mode) == 0o600 and read_key(file) == key
    file.write_text("short")
    assert len(read_key(file)) >= 32, "a damaged file is replaced"


# -------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("notes.csv", "notes.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\mails.xlsx", "mails.xlsx"),
        (".bashrc", "bashrc"),
        ("--help", "help"),
        ("a b{run}?.csv", "a_b_run_.csv"),
        ("", "data"),
        ("Übersicht 2.csv", "Übersicht_2.csv"),
        ("x" * 300 + ".jsonl.gz", "x" * 111 + ".jsonl.gz"),
    ],
)
def test_names_of_files_are_safe(given: str, kept: str) -> None:
    assert uploads.shorten_name(given) == kept


def test_a_file_goes_to_data_raw_and_replaces_none(client: TestClient, project: Path) -> None:
    raw = project / "data" / "raw"
    raw.mkdir(parents=True)
    (raw / "README").write_text("There is no data yet")
    started: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gaslamp.interfaces.studio.jobs.Jobs.start", lambda self, root, action: started.append(action))
        answer = client.post("/project/mails/upload?name=../a%20b.csv", content=b"q,a\n1,2\n", headers=OURS)
        assert answer.json() == {"name": "a_b.csv", "seen": ""} and (raw / "a_b.csv").read_bytes() == b"q,a\n1,2\n"
        again = client.post("/project/mails/upload?name=a_b.csv", content=b"other", headers=OURS)
        assert again.status_code == 422 and again.json()["problem"]["cause"] == "there is a file a_b.csv already"
        empty = client.post("/project/mails/upload?name=empty.csv", content=b"", headers=OURS)
        assert empty.json()["problem"]["cause"] == "empty.csv is empty (0 bytes)"
    assert started == ["data"] and (raw / "a_b.csv").read_bytes() == b"q,a\n1,2\n"
    assert sorted(path.name for path in raw.iterdir()) == ["README", "a_b.csv"], "nothing half arrived is left"


@pytest.mark.parametrize(
    ("length", "free", "cause"),
    [("4000000001", 10_000.0, "a browser may send"), ("3000000000", 3.5, "the disk has 3.5 GB left")],
)
def test_what_is_too_large_is_refused_before_it_is_read(
    length: str, free: float, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "get_disk_free", lambda place: free)
    with pytest.raises(GaslampError, match=cause):
        uploads.check_size(length, tmp_path / "new")
    uploads.check_size("1000", tmp_path / "new")


def test_a_stream_without_a_length_is_cut_off_too(
    client: TestClient, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 100)

    def send() -> Iterator[bytes]:
        yield from [b"x" * 60, b"x" * 60]

    answer = client.post("/upload?name=big.csv", content=send(), headers=OURS)
    assert answer.status_code == 422 and "larger than 100 B" in answer.json()["problem"]["cause"]
    assert not [path for path in project.parent.rglob("*") if path.is_file() and "big" in path.name]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("try?number=2", [("try", 2)]),
        ("try", None),
        ("try?number=0", None),
        ("try?number=2;id", None),
        ("run?number=2", None),
        ("clean-run", None),
        ("run", [("run", 0)]),
    ],
)
def test_only_known_actions_start(
    client: TestClient, path: str, wanted: list[tuple[str, int]] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, int]] = []
    monkeypatch.setattr(
        "gaslamp.interfaces.studio.jobs.Jobs.start",
        lambda self, root, action, number=0: started.append((action, number)),
    )
    answer = client.post(f"/project/mails/start/{path}", headers=OURS)
    assert (answer.status_code, started) == (303, wanted) if wanted else (answer.status_code, started) == (404, [])


def test_a_run_that_was_started_elsewhere_is_stopped_too(client: TestClient, project: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # the child inherits what is switched off
    snakemake = subprocess.Popen(["sleep", "600"])
    signal.signal(signal.SIGINT, before)
    try:
        started = psutil.Process(snakemake.pid).create_time()
        write_json(project / OWNER, {"pid": snakemake.pid, "started": started})
        assert client.get("/project/mails/state").json()["words"] == "Running"
        assert client.post("/project/mails/start/run", headers=OURS).status_code == 303
        assert read_job(project) is None, "nothing is started next to it"
        assert client.post("/project/mails/stop", headers=OURS).status_code == 303
        assert snakemake.wait(90) == -signal.SIGINT
        assert client.get("/project/mails/state").json()["words"] == "Not started"
    finally:
        snakemake.kill()


def test_exactly_one_entry_is_forgotten(client: TestClient) -> None:
    for number in (1, 2):
        judged = {"priority": "high", "durability": "durable", "decision": "promote"}
        name = f"cafe:section_7:1a2b3c4{number}"
        entry = Entry(
            kind="lessons", candidate_id=name, title=f"lesson {number}", body="x", date="2026-01-01", **judged
        )  # type: ignore[arg-type]
        remember([entry], get_home())
    answer = client.post("/memory/forget", data={"id": "cafe:section_7:1a2b3c41"}, headers=OURS)
    assert answer.status_code == 303
    assert [one.candidate_id[-1] for one in list_entries(get_home())["lessons"]] == ["2"]
    again = client.post("/memory/forget", data={"id": "cafe:section_7:1a2b3c41"}, headers=OURS)
    assert again.status_code == 422 and "lesson 2" in again.text


def test_forms_have_a_bound(client: TestClient) -> None:
    answer = client.post("/memory/forget", data={"id": "x" * 300_000}, headers=OURS)
    assert answer.status_code == 422 and "too large" in answer.text


GOOD_JOB = '{"action": "run", "pid": 1, "created": 0, "ended": null, "code": null, "stopped": false}'


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("outputs/.studio_job.json", "{", "is damaged"),
        ("outputs/.studio_job.json", "[]", "is damaged"),
        ("outputs/.studio_job.json", "{}", "is damaged"),
        ("outputs/.studio_job.json", "[" * 100_000, "is damaged"),
        ("outputs/.studio_job.json", GOOD_JOB.replace("1", '"x"'), "is damaged"),
        ("outputs/.studio_job.json", GOOD_JOB.replace("run", "rm -rf"), "is damaged"),
        ("logs/phases.jsonl", "[]\n", "line 1 is damaged and left out"),
        ("logs/phases.jsonl", '{"event": "start"}\n{"a\n', "2 lines, the first 1, are damaged"),
        ("logs/phases.jsonl", '{"event":"start","step":"x","pid":1,"time":"no"}\n', "line 1 is damaged"),
        ("outputs/.serve.json", "[]", "is damaged"),
        ("data/card.json", "[]", "card.json"),
        ("config.yaml", "- x", ""),
    ],
)
def test_one_damaged_project_does_not_hide_the_others(
    client: TestClient, project: Path, file: str, text: str, said: str
) -> None:
    other = project.parent / "orders"
    other.mkdir()
    write_json(other / ".gaslamp.json", {})
    file = SERVED.as_posix() if "serve" in file else file
    (project / file).parent.mkdir(exist_ok=True, parents=True)
    (project / file).write_text(text)
    home, page = client.get("/"), client.get("/project/mails")
    assert home.status_code == page.status_code == client.get("/project/mails/state").status_code == 200
    assert "/project/orders" in home.text and "/project/mails" in home.text
    assert said in page.text and ("cannot be read" in home.text) == bool(said)


@pytest.fixture
def patient(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """Every page breaks in a way that nobody expected."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("a <b>bug</b>")

    monkeypatch.setattr(project_facts, "_read", fail)
    monkeypatch.setattr(project_pages, "read_plan", fail)
    monkeypatch.setattr(interview, "check_data", fail)
    return client


def test_no_exception_is_a_bare_500(patient: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    home = patient.get("/")
    assert home.status_code == 200 and "mails cannot be shown: ZeroDivisionError: a &lt;b&gt;bug" in home.text
    page = patient.get("/project/mails")
    assert page.status_code == 422 and "make doctor" in page.text and "content-security-policy" in page.headers
    plan = patient.get("/project/mails/plan")
    assert plan.status_code == 500 and plan.text.startswith('<div class="problem"') and "ZeroDivisionError" in plan.text
    said = patient.post("/check", content=b"field=data&value=none", headers=OURS)
    assert said.status_code == 500 and "ZeroDivisionError" in said.json()["problem"]["cause"]
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("~no-such-user/x", "no home folder of"),
        ("a/" * 5000, "cannot be looked up"),
        ("x" * 300, "cannot be looked up"),
        ("a\0b", "no such file"),
    ],
)
def test_a_place_that_no_file_can_have(client: TestClient, value: str, part: str) -> None:
    answer = client.post("/check", data={"field": "data", "value": value}, headers=OURS)
    assert answer.status_code == 422 and part in answer.json()["problem"]["cause"] and answer.json()["problem"]["fix"]


def test_a_hub_that_cannot_be_reached_is_said(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise httpx.ConnectError("[Errno -2] Name or service not known")

    monkeypatch.setattr(look, "_read_hub", fail)
    answer = client.post("/check", data={"field": "data", "value": "hub:a/b"}, headers=OURS)
    assert answer.status_code == 200
    assert "the hub did not give a/b (ConnectError: [Errno -2] Name or service" in answer.json()["seen"]


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"task": "x"}', '{"task":"x","data":1,"upload":"","wanted":{},"project":""}']
)
def test_a_damaged_draft_is_said(client: TestClient, project: Path, text: str) -> None:
    file = project.parent / ".studio" / "drafts" / f"{'a' * 16}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    for page in ("/new/" + "a" * 16, "/new?draft=" + "a" * 16):
        assert client.get(page).status_code == 422 and "answer once more" in client.get(page).text
    form = {"task": "", "data": "none", "draft": "a" * 16, "upload": ""}
    answer = client.post("/new", data=form, headers=OURS)
    assert answer.status_code == 303 and answer.headers["location"].startswith("/new")
