"""New project in the browser: two questions with their problems next to them, the plan, each line to change, create."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gaslamp.core.errors import GaslampError
from gaslamp.core.registry import get_library_names
from gaslamp.guide.answers import check_data, check_task, read_data_answer
from gaslamp.interfaces.studio.drafts import Answers, Draft, Drafts, describe_look
from gaslamp.interfaces.studio.forms import go, read_form, say, show
from gaslamp.interfaces.studio.jobs import Jobs, read_job
from gaslamp.interfaces.studio.place import Place
from gaslamp.interfaces.studio.project_facts import needs_data
from gaslamp.interfaces.studio.uploads import check_size, make_id, receive, shorten_name
from gaslamp.interfaces.studio.words import show_lines

NOTHING_WRONG: Answers = {"task": None, "data": None}


def get_empty() -> Draft:
    """A draft in which nothing is answered."""
    return {"task": "", "data": "", "upload": "", "wanted": {}, "project": ""}


class Interview:
    """The pages below ``/new``."""

    def __init__(self, place: Place, drafts: Drafts, jobs: Jobs) -> None:
        """Projects are made in ``place`` from ``drafts``."""
        self.place = place
        self.jobs = jobs
        self.drafts = drafts
        self.routes = [
            Route("/new", self.ask),
            Route("/new", self.answer, methods=["POST"]),
            Route("/check", self.check, methods=["POST"]),
            Route("/upload", self.upload, methods=["POST"]),
            Route("/new/{draft}", self.show_plan),
            Route("/new/{draft}/change", self.change, methods=["POST"]),
            Route("/new/{draft}/back", self.take_back, methods=["POST"]),
            Route("/new/{draft}/create", self.create, methods=["POST"]),
        ]

    # ---------------------------------------------------------------------------------------------- the two questions

    def ask(self, request: Request) -> Response:
        """The two questions, empty or as answered before; ``checked``: with what is wrong."""
        name = request.query_params.get("draft", "")
        draft = self.drafts.read(name)
        if draft is None:
            return self._show_questions(get_empty(), "", NOTHING_WRONG)
        is_checked = "checked" in request.query_params
        return self._show_questions(draft, name, self.drafts.find_problems(draft) if is_checked else NOTHING_WRONG)

    def _show_questions(self, draft: Draft, name: str, problems: Answers, status: int = 200) -> Response:
        upload = ""
        if draft["upload"]:
            try:
                upload = self.drafts.get_answer(draft).place.rpartition("/")[2]
            except GaslampError:
                draft = {**draft, "upload": ""}
        embedded = [f"embedded:{one}" for one in get_library_names("embedded")]
        return show(
            "new.html.j2",
            status,
            draft=draft,
            name=name,
            problems=problems,
            upload=upload,
            embedded=embedded,
            here="new",
        )

    async def answer(self, request: Request) -> Response:
        """Both answers: all problems at once, or the plan."""
        fields = await read_form(request)
        name = fields.one("draft")
        try:
            before = self.drafts.read(name)
        except GaslampError:  # damaged: what was just answered is all there is to know
            before = None
        draft: Draft = {
            **(before or get_empty()),
            "task": fields.one("task").strip(),
            "data": fields.one("data").strip(),
            "upload": "" if fields.one("data").strip() else fields.one("upload").strip(),
        }
        if before and before["project"]:  # that one is made: this is another project
            draft["project"], name = "", ""
        if before and (before["data"], before["upload"]) != (draft["data"], draft["upload"]):
            draft["wanted"] = {}  # what was set was said of other rows
        name = self.drafts.write(draft, name if before else "")
        problems = await run_in_threadpool(self.drafts.find_problems, draft)
        # a redirect in any case: going back never asks to send the form again
        return go(f"/new?draft={name}&checked=1" if problems["task"] or problems["data"] else f"/new/{name}")

    async def check(self, request: Request) -> Response:
        """One answer while it is given: what is wrong with it, or what was seen of the data."""
        fields = await read_form(request)
        value = fields.one("value").strip()

        def look() -> str:
            if fields.one("field") == "task":
                check_task(value)
                return ""
            answer = read_data_answer(value)
            check_data(answer)
            return describe_look(self.drafts.look(answer))

        try:
            return JSONResponse({"seen": await run_in_threadpool(look)})
        except GaslampError as error:
            return say(error)

    async def upload(self, request: Request) -> Response:
        """A file; it waits in the studio's own folder until the project is made."""
        name, key = shorten_name(request.query_params.get("name", "")), make_id()
        try:
            check_size(request.headers.get("content-length", ""), self.drafts.uploads)
            file = await receive(request.stream(), self.drafts.uploads / key / name)
            answer = read_data_answer(str(file))
            await run_in_threadpool(check_data, answer)
            seen = await run_in_threadpool(lambda: describe_look(self.drafts.look(answer)))
        except GaslampError as error:
            return say(error)
        return JSONResponse({"upload": key, "name": name, "seen": seen})

    # ----------------------------------------------------------------------------------------------------------- plan

    def show_plan(self, request: Request) -> Response:
        """The plan of a draft; of one that became a project, the project."""
        name = request.path_params["draft"]
        draft = self.drafts.read(name)
        if draft is None:
            return go("/new")
        if draft["project"] and self.place.find(draft["project"]):
            return go(f"/project/{draft['project']}")
        line, value = request.query_params.get("line", ""), request.query_params.get("value", "")
        try:
            if line:
                self.drafts.check(draft, {line: value})
        except GaslampError as error:
            return self._show_plan(name, draft, error, line, value)
        return self._show_plan(name, draft)

    def _show_plan(
        self, name: str, draft: Draft, problem: GaslampError | None = None, line: str = "", typed: str = ""
    ) -> Response:
        try:
            plan = self.drafts.make_plan(draft)
        except GaslampError as error:
            problems: Answers = {"task": None, "data": error}
            return self._show_questions(draft, name, problems, 422)
        return show(
            "plan.html.j2",
            422 if line == "create" else 200,
            draft=draft,
            name=name,
            plan=plan,
            lines=show_lines(plan),
            seen=describe_look(self.drafts.look(self.drafts.get_answer(draft))),
            problem=problem,
            wrong=line,
            typed=typed,
            here="new",
        )

    async def change(self, request: Request) -> Response:
        """One line, or all lines of another way; what cannot be is said next to the line."""
        fields, name = await read_form(request), request.path_params["draft"]
        draft = self.drafts.read(name)
        if draft is None:
            return go("/new")
        anchor = fields.one("anchor") or "plan"
        line, value = fields.one("line"), ", ".join(one for one in fields.get("value", []) if one)
        plan = await run_in_threadpool(self.drafts.make_plan, draft)
        if way := fields.one("way"):
            changes = next((dict(one.changes) for one in plan.alternatives if one.title == way), {})
        else:
            same = any(one.name == line and one.value == value for one in plan.lines)
            changes = {} if same else {line: value}
        try:
            wanted = await run_in_threadpool(self.drafts.check, draft, changes)
        except GaslampError:
            if way:
                raise
            return go(f"/new/{name}?{urlencode({'line': line, 'value': value})}")  # an anchor would take the focus
        self.drafts.write({**draft, "wanted": wanted}, name)
        return go(f"/new/{name}#{anchor}")

    async def take_back(self, request: Request) -> Response:
        """The recommendation again for one line."""
        fields, name = await read_form(request), request.path_params["draft"]
        draft = self.drafts.read(name)
        if draft is None:
            return go("/new")
        self.drafts.take_back(name, draft, fields.one("line"))
        return go(f"/new/{name}#{fields.one('anchor') or 'plan'}")

    async def create(self, request: Request) -> Response:
        """Make the project and look at its data; the page of the project shows how it goes on."""
        name = request.path_params["draft"]
        draft = self.drafts.read(name)
        if draft is None:
            return go("/new")
        try:
            project = await run_in_threadpool(self.drafts.create, name, draft)
            if read_job(project) is None and not needs_data(project):
                self.jobs.start(project, "data")
        except GaslampError as error:
            return await run_in_threadpool(self._show_plan, name, draft, error, "create")
        return go(f"/project/{project.name}")
