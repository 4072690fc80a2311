"""The page of a project: data, plan, run, results, chat, memory. Every form only starts what a command of make does."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gaslamp.core import background
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, sha256_text
from gaslamp.guide.run_plan_show import WHY, show_seconds
from gaslamp.interfaces.studio.edits import GENERATE_FIELDS, write_allowed, write_generate
from gaslamp.interfaces.studio.forms import go, read_form, say, show
from gaslamp.interfaces.studio.jobs import ACTIONS, Jobs, stop_model
from gaslamp.interfaces.studio.place import Place
from gaslamp.interfaces.studio.project_facts import ProjectFacts, Reader
from gaslamp.interfaces.studio.render import render, render_markdown
from gaslamp.interfaces.studio.uploads import check_size, receive, shorten_name
from gaslamp.memory.apply import undo
from gaslamp.memory.hints import add_hint
from gaslamp.report.dashboard.outcome import PAGE_POLICY, find_page, get_media_type

PARTS = ("status", "data", "frame", "run", "curves", "results", "chat", "talk", "memory")
"""Parts of the page that follow the files, each replaced by itself when it changed."""
PLAN_SECONDS = 180


class ProjectPages:
    """The pages below ``/project/{name}``."""

    def __init__(self, place: Place, jobs: Jobs, reader: Reader) -> None:
        """Shows the projects of ``place``."""
        self.place = place
        self.jobs = jobs
        self.reader = reader
        self._plans: dict[Path, tuple[str, JsonObject]] = {}
        self._planning = threading.Lock()
        at = "/project/{name}"
        self.routes = [
            Route(at, self.show),
            Route(f"{at}/state", self.follow),
            Route(f"{at}/plan", self.plan),
            Route(f"{at}/files/{{path:path}}", self.give_file),
            Route(f"{at}/start/{{action}}", self.start, methods=["POST"]),
            Route(f"{at}/stop", self.stop, methods=["POST"]),
            Route(f"{at}/quiet", self.stop_chat, methods=["POST"]),
            Route(f"{at}/upload", self.upload, methods=["POST"]),
            Route(f"{at}/generate", self.generate, methods=["POST"]),
            Route(f"{at}/allow", self.allow, methods=["POST"]),
            Route(f"{at}/hint", self.hint, methods=["POST"]),
            Route(f"{at}/undo", self.undo, methods=["POST"]),
        ]

    def _find(self, request: Request) -> Path | None:
        return self.place.find(request.path_params["name"])

    # ------------------------------------------------------------------------------------------------------- looking

    def show(self, request: Request) -> Response:
        """The whole page."""
        root = self._find(request)
        if root is None:
            return self._show_missing(request)
        return self._show(root)

    def _show(self, root: Path, problem: GaslampError | None = None) -> Response:
        facts = self.reader.read(root)
        parts = render_parts(facts)
        return show(
            "project.html.j2",
            422 if problem else 200,
            facts=facts,
            parts=parts,
            version=get_version(parts),
            problem=problem,
            here="project",
            only=self.place.only is not None,
        )

    def _show_missing(self, request: Request) -> Response:
        return show("missing.html.j2", 404, what=f"project {request.path_params['name']}", here="")

    def follow(self, request: Request) -> Response:
        """The parts of the page as the files are now; 204 when the tab has them."""
        root = self._find(request)
        if root is None:
            return JSONResponse({"gone": True}, 404)
        facts = self.reader.read(root)
        parts = render_parts(facts)
        version = get_version(parts)
        if request.query_params.get("seen") == version:
            return Response(status_code=204)
        return JSONResponse(
            {"version": version, "words": facts.words, "parts": {name: str(part) for name, part in parts.items()}}
        )

    def plan(self, request: Request) -> Response:
        """What a run would do, as `make plan` says; it takes some seconds."""
        root = self._find(request)
        if root is None:
            return PlainTextResponse("no such project\n", 404)
        try:
            return show("part_plan.html.j2", plan=self._get_plan(root), why=WHY, seconds=show_seconds)
        except GaslampError as error:
            return show("part_plan.html.j2", plan=None, error=error, why=WHY, seconds=show_seconds)

    def _get_plan(self, root: Path) -> JsonObject:
        """The plan as JSON; the same as before as long as config, data and steps are."""
        files = (root / name for name in ("config.yaml", "data/card.json", "logs/phases.jsonl"))
        state = " ".join(str(file.stat().st_mtime_ns) if file.is_file() else "-" for file in files)
        with self._planning:
            if (known := self._plans.get(root)) and known[0] == state:
                return known[1]
            plan = read_plan(root)
            self._plans[root] = (state, plan)
            return plan

    def give_file(self, request: Request) -> Response:
        """A page that the project made. It may ask nothing of the studio (dashboard/outcome.py: PAGE_POLICY)."""
        root, path = self._find(request), request.path_params["path"]
        if root is None:
            return self._show_missing(request)
        file = find_page(root, path)
        if file is None:
            return PlainTextResponse("there is no such page, or it is not made yet\n", 404)
        if file.suffix == ".md" and request.query_params.get("as") != "text":
            title, text = file.stem.replace("_", " "), file.read_text(encoding="utf-8", errors="replace")
            body = render_markdown(text, lambda path: find_page(root, path))
            return show("document.html.j2", root=root.name, title=title, body=body, here="")
        headers = {"content-security-policy": PAGE_POLICY}
        return FileResponse(file, media_type=get_media_type(file), headers=headers)

    # -------------------------------------------------------------------------------------------------------- acting

    def _act(self, request: Request, act: Callable[[Path], object], anchor: str) -> Response:
        """Do something in the project of the request and show its page again."""
        root = self._find(request)
        if root is None:
            return self._show_missing(request)
        try:
            act(root)
        except GaslampError as error:
            return self._show(root, error)
        return go(f"/project/{root.name}#{anchor}")

    def start(self, request: Request) -> Response:
        """`make data`, `make run`, `make deploy`; `make try` with the number of the advice."""
        action, given = request.path_params["action"], request.query_params.get("number", "")
        number = int(given) if given.isascii() and given.isdigit() and len(given) < 3 else 0
        if action not in ACTIONS or action == "generate" or (action == "try") != (number > 0):
            return PlainTextResponse("not found\n", 404)

        def act(root: Path) -> None:
            if self.reader.read(root).is_running:
                return  # another tab, or a terminal: the page shows it
            self.jobs.start(root, action, number)

        return self._act(request, act, {"data": "data", "generate": "data", "deploy": "chat"}.get(action, "run"))

    def stop(self, request: Request) -> Response:
        """What Ctrl-C does, to the job of this page or, as `make cancel`, to a run that was started elsewhere."""
        return self._act(request, lambda root: self.jobs.stop(root) or background.stop(root), "run")

    def stop_chat(self, request: Request) -> Response:
        """`make stop`."""
        return self._act(request, stop_model, "chat")

    async def upload(self, request: Request) -> Response:
        """A file for a project without data, into data/raw; what is there already stays."""
        root = self._find(request)
        if root is None:
            return PlainTextResponse("no such project\n", 404)
        folder = root / "data" / "raw"
        try:
            check_size(request.headers.get("content-length", ""), folder)
            file = await receive(request.stream(), folder / shorten_name(request.query_params.get("name", "")))
            if not self.reader.read(root).is_running:
                await run_in_threadpool(self.jobs.start, root, "data")
        except GaslampError as error:
            return say(error)
        return JSONResponse({"name": file.name, "seen": ""})

    async def generate(self, request: Request) -> Response:
        """`make generate`, after the fields of the form are in data.generate of config.yaml."""
        fields = await read_form(request)

        def act(root: Path) -> None:
            if self.reader.read(root).is_running:
                return
            write_generate(root, {name: fields.one(name).strip() for name in GENERATE_FIELDS})
            self.jobs.start(root, "generate")

        return await run_in_threadpool(self._act, request, act, "data")

    async def allow(self, request: Request) -> Response:
        """What an error allows goes into config.yaml, and on: rows are left out, or the evaluation only warns."""

        def act(root: Path) -> None:
            facts = self.reader.read(root)
            if facts.is_running or not (facts.trouble and facts.trouble.allows):
                return
            write_allowed(root, facts.trouble.allows)
            is_run = facts.trouble.is_held or facts.job is not None and facts.job.action == "run"
            self.jobs.start(root, "run" if is_run else "data")

        return await run_in_threadpool(self._act, request, act, "run")

    async def hint(self, request: Request) -> Response:
        """`make hint`."""
        text = (await read_form(request)).one("hint").strip()

        def act(root: Path) -> None:
            if not text:
                raise GaslampError("the note is empty", "write what you found, in one sentence")
            add_hint(root, None, text)

        return await run_in_threadpool(self._act, request, act, "memory")

    async def undo(self, request: Request) -> Response:
        """`make memory UNDO=id`."""
        recipe = (await read_form(request)).one("id")
        return await run_in_threadpool(self._act, request, lambda root: undo(root, recipe), "memory")


def render_parts(facts: ProjectFacts) -> dict[str, str]:
    """Part of the page -> its HTML."""
    return {name: render(f"part_{name}.html.j2", facts=facts) for name in PARTS}


def get_version(parts: dict[str, str]) -> str:
    """Changes when any part does."""
    return sha256_text("\0".join(parts.values()))[:16]


def read_plan(root: Path) -> JsonObject:
    """`make plan JSON=1`: exit code 1 with a plan says that something would stop the run.

    Raises:
        GaslampError: the run cannot be planned.
    """
    try:
        done = subprocess.run(
            [sys.executable, "scripts/plan_run.py", "--json"],
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PLAN_SECONDS,
            check=False,
        )
        plan: JsonObject = json.loads(done.stdout)
        if "error" in plan:  # the JSON form of an error
            raise GaslampError(
                str(plan["error"]),
                "; or: ".join(plan.get("fixes") or []) or "make plan, at a terminal",
            )
    except subprocess.TimeoutExpired:
        raise GaslampError(f"the plan took longer than {PLAN_SECONDS} s", "make plan, at a terminal") from None
    except ValueError:
        text = done.stderr.strip()
        cause = text.removeprefix("error: ").partition("\n  usual fix:")
        fix = cause[2].strip().splitlines()[0] if cause[2].strip() else "make plan, at a terminal"
        raise GaslampError(cause[0][-600:] or "make plan printed no plan", fix) from None
    return plan
