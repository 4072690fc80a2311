"""The pages that belong to no project: the list of projects, the memory, what is missing, style and script."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from gaslamp.config.edit import write_scalar
from gaslamp.core.errors import GaslampError
from gaslamp.interfaces.studio.forms import go, read_form, show
from gaslamp.interfaces.studio.place import Place
from gaslamp.interfaces.studio.project_facts import ProjectFacts, Reader
from gaslamp.interfaces.studio.render import PAGE, get_style
from gaslamp.memory.entry import Entry, Kind
from gaslamp.memory.overview import TITLES
from gaslamp.memory.recipes import get_short_id
from gaslamp.memory.snapshot import get_home
from gaslamp.memory.store import forget, list_entries

MOST_PROJECTS = 100


class SharedPages:
    """The pages of the studio itself."""

    def __init__(self, place: Place, reader: Reader) -> None:
        """Shows ``place``."""
        self.place = place
        self.reader = reader
        self.routes = [
            Route("/", self.list_projects),
            Route("/memory", self.memory),
            Route("/memory/forget", self.forget, methods=["POST"]),
            Route("/studio.css", self.style),
            Route("/studio.js", self.script),
        ]

    def list_projects(self, request: Request) -> Response:
        """All projects; the studio of one project goes to its page."""
        if self.place.only:
            return go(f"/project/{self.place.only.name}")
        found = self.place.list()
        projects: list[ProjectFacts] = []
        damaged: list[tuple[str, GaslampError]] = []
        for root in found[:MOST_PROJECTS]:
            try:
                projects.append(self.reader.read(root))
            except GaslampError as error:
                damaged.append((root.name, error))
        more = max(0, len(found) - MOST_PROJECTS)
        return show("home.html.j2", projects=projects, damaged=damaged, more=more, here="home")

    def memory(self, request: Request) -> Response:
        """What is remembered between projects."""
        return self._show_memory()

    def _show_memory(self, problem: GaslampError | None = None) -> Response:
        entries: dict[Kind, list[Entry]] = {}
        try:
            entries = list_entries(get_home())
        except GaslampError as error:
            problem = problem or error
        shown = [
            (title, [_to_facts(entry) for entry in reversed(entries[kind])])
            for kind, title in TITLES.items()
            if entries.get(kind)
        ]
        return show(
            "memory.html.j2",
            422 if problem else 200,
            groups=shown,
            problem=problem,
            home="$GASLAMP_HOME" if os.environ.get("GASLAMP_HOME") else "~/.gaslamp",
            only=self.place.only,
            here="memory",
        )

    async def forget(self, request: Request) -> Response:
        """`make memory FORGET=id`."""
        name = (await read_form(request)).one("id")
        try:
            await run_in_threadpool(forget, get_home(), [name])
        except GaslampError as error:
            return self._show_memory(error)
        return go("/memory")

    async def show_missing(self, request: Request, error: Exception) -> Response:
        """An address that there is not."""
        return show("missing.html.j2", 404, what=f"page {request.url.path}", here="")

    async def show_problem(self, request: Request, error: Exception) -> Response:
        """What no page shows next to a field."""
        assert isinstance(error, GaslampError)
        return show("problem.html.j2", 422, problem=error, here="")

    def style(self, request: Request) -> Response:
        """The one style sheet."""
        return Response(get_style(), media_type="text/css", headers={"cache-control": "no-cache"})

    def script(self, request: Request) -> Response:
        """The one script."""
        return FileResponse(
            Path(PAGE / "studio.js"), media_type="text/javascript", headers={"cache-control": "no-cache"}
        )


def _to_facts(entry: Entry) -> dict[str, str]:
    """An entry as the page shows it."""
    return {
        "id": entry.candidate_id,
        "short": get_short_id(entry.candidate_id),
        "title": entry.title,
        "body": entry.body,
        "settings": ", ".join(f"{key}: {write_scalar(value)}" for key, value in entry.settings.items()),
        "when": entry.when or "",
        "source": f"{entry.source.project}, run {entry.source.run}" if entry.source.project else "",
        "date": entry.date,
    }
