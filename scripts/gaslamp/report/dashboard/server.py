"""The web dashboard: Starlette on 127.0.0.1, server-sent events, one look at the files for all open tabs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gaslamp.core.files import get_csp_hash
from gaslamp.export.llamacpp.server import get_free_port
from gaslamp.report.dashboard.project import Project, get_marks, get_overview, get_snapshot, get_update
from gaslamp.report.dashboard.trainings import POINTS, Training

PAGE = Path(__file__).parent / "page"
TICK = 0.5  # seconds between two looks at the files
HEARTBEAT = 15  # seconds without news after which a comment keeps a connection open
RETRY = 3000  # milliseconds until a tab tries again
QUEUE = 64  # messages a slow tab may be behind; then it is told to start over
MAX_CLIENTS = 500
HOSTS = {"127.0.0.1", "localhost", "[::1]"}
# The one inline style is empty: plotly looks for it by its id and adds its rules through the CSSOM, which no policy forbids.
EMPTY = get_csp_hash("")
POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' '{EMPTY}'; img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
ASSETS = {
    "page.js": "text/javascript",
    "stream.js": "text/javascript",
    "style.css": "text/css",
    "plotly.js": "text/javascript",
}


class Guard:
    """Only this machine's own pages get an answer: the Host is ours (DNS rebinding), the Origin is the Host, methods only read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        problem = ""
        if name not in HOSTS:
            problem = "this server answers under 127.0.0.1 and localhost only"
        elif "origin" in headers and headers["origin"] != f"http://{host}":
            problem = "asked from a page of another origin"
        elif headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            problem = "asked from a page of another site"
        if problem:
            await PlainTextResponse(f"refused: {problem}\n", status_code=403, headers=HEADERS)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    *((key.encode(), value.encode()) for key, value in HEADERS.items()),
                ]
            await send(message)

        await self.app(scope, receive, send_with_headers)


class Hub:
    """Looks at the files twice a second and tells every tab the same bytes.

    All state changes in ``tick``, which never waits: a snapshot taken between two ticks and the updates after it fit
    together by their numbers.
    """

    def __init__(self, root: Path) -> None:
        self.project = Project(root)
        self.queues: dict[asyncio.Queue[tuple[str, bytes]], str] = {}  # -> id of the training it follows, "" = none yet
        self.numbers: dict[str, int] = {}  # training -> number of its newest update
        self.seen: dict[
            str, tuple[Training, int, int, int, dict[str, int]]
        ] = {}  # object, changes, cuts, samples, marks
        self.statuses: dict[str, str] = {}
        self.overview: dict[str, Any] = {}
        self.overview_time = 0.0
        self.last_client = time.monotonic()
        self.began = int(time.time() * 1000)  # numbers of two servers must not meet

    def get_number(self, name: str) -> int:
        """Number of the newest update of a training."""
        return self.numbers.setdefault(name, self.began)

    def tick(self) -> bool:
        """Read what is new and pass it on; True while more stands in the files."""
        more = self.project.metrics.poll()
        for training in list(self.project.metrics.trainings.values()):
            same, changes, cuts, sampled, marks = self.seen.get(training.id, (training, -1, 0, 0, {}))
            followed = training.id in self.queues.values()
            status = training.get_status()[0] if followed else self.statuses.get(training.id, "")
            if training is same and training.changes == changes and status == self.statuses.get(training.id, ""):
                continue
            self.statuses[training.id] = status
            stale = training.cuts != cuts or training is not same
            self.numbers[training.id] = self.get_number(training.id) + (
                2 if stale else 1
            )  # a gap: the tab asks for all again
            if followed:
                update = (
                    {"head": {}, "series": {}} if stale else get_update(training, marks, training.sampled != sampled)
                )
                self._emit("update", {"id": training.id, "number": self.numbers[training.id], **update}, training.id)
            self.seen[training.id] = (training, training.changes, training.cuts, training.sampled, get_marks(training))
        self._refresh_overview()
        if self.queues:
            self.last_client = time.monotonic()
        return more

    def _refresh_overview(self) -> None:
        if not self.queues and self.overview or time.monotonic() - self.overview_time < 2 * TICK:
            return
        self.overview_time = time.monotonic()
        overview = get_overview(self.project)
        if overview != self.overview:
            self.overview = overview
            self._emit("project", overview, None)

    def _emit(self, event: str, value: dict[str, Any], name: str | None) -> None:
        data: bytes | None = None
        for queue, followed in self.queues.items():
            if name is None or followed == name:
                data = data or dump(value)
                if queue.full():  # too slow: drop what waits, the gap makes the tab ask for all
                    while not queue.empty():
                        queue.get_nowait()
                queue.put_nowait((event, data))

    async def run(self) -> None:
        """Tick for ever."""
        while True:
            more = self.tick()
            await asyncio.sleep(0 if more else TICK)

    async def follow(self, name: str) -> AsyncIterator[ServerSentEvent]:
        """The events of one tab."""
        queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(QUEUE)
        self.queues[queue] = name
        try:
            self._refresh_overview()
            yield ServerSentEvent(dump(self.overview).decode(), event="project", retry=RETRY)
            if name:
                yield ServerSentEvent(dump({"id": name, "number": self.get_number(name)}).decode(), event="hello")
            while True:
                event, data = await queue.get()
                yield ServerSentEvent(data.decode(), event=event)
        finally:
            self.queues.pop(queue, None)


def dump(value: Any) -> bytes:
    """JSON bytes; NaN becomes null."""
    return orjson.dumps(value)


def get_app(root: Path) -> Starlette:
    """The application for the project in ``root``."""
    hub = Hub(root)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        hub.project.metrics.read_all()
        hub.tick()
        task = asyncio.create_task(hub.run())
        yield
        task.cancel()

    def reply(value: Any, status: int = 200) -> Response:
        return Response(dump(value), status, media_type="application/json", headers={"cache-control": "no-store"})

    async def page(request: Request) -> Response:
        return FileResponse(PAGE / "index.html", media_type="text/html", headers={"cache-control": "no-cache"})

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in ASSETS:
            return PlainTextResponse("not found\n", 404)
        path = (
            Path(str(resources.files("plotly") / "package_data" / "plotly.min.js"))
            if name == "plotly.js"
            else PAGE / name
        )
        return FileResponse(path, media_type=ASSETS[name], headers={"cache-control": "no-cache"})

    async def runs(request: Request) -> Response:
        return reply(get_overview(hub.project))

    async def metrics(request: Request) -> Response:
        training = hub.project.metrics.find(request.query_params.get("run"))
        if training is None:
            return reply({"error": "no training of that name"}, 404)
        wanted = request.query_params.get("points", "")
        limit = min(5000, max(50, int(wanted))) if wanted.isascii() and wanted.isdigit() and len(wanted) < 6 else POINTS
        return reply({"id": training.id, "number": hub.get_number(training.id), **get_snapshot(training, limit)})

    async def stream(request: Request) -> Response:
        if len(hub.queues) >= MAX_CLIENTS:
            return reply({"error": f"{MAX_CLIENTS} tabs are open already"}, 503)
        training = hub.project.metrics.find(request.query_params.get("run"))
        return EventSourceResponse(
            hub.follow(training.id if training else ""),
            ping=HEARTBEAT,
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def health(request: Request) -> Response:
        return reply(
            {
                "status": "ok",
                "project": str(root.resolve()),
                "clients": len(hub.queues),
                "running": hub.project.is_running(),
            }
        )

    routes = [
        Route("/", page),
        Route("/api/runs", runs),
        Route("/api/metrics", metrics),
        Route("/api/stream", stream),
        Route("/api/health", health),
        Route("/{name}", asset),
    ]
    app = Starlette(routes=routes, middleware=[Middleware(Guard)], lifespan=lifespan)
    app.state.hub = hub
    return app


def get_server(app: Starlette, port: int) -> Any:
    """A uvicorn server on 127.0.0.1 that closes open streams at once when it ends."""
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            app, host="127.0.0.1", port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=1
        )
    )


def start_in_thread(root: Path, port: int) -> tuple[Any, str]:
    """Serve beside other work of this process, on the first free port from ``port`` on: the server (``should_exit`` ends it) and its address."""
    import threading

    found = get_free_port(port)
    server = get_server(get_app(root), found)
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.02)
    return server, f"http://127.0.0.1:{found}"


def serve(root: Path, port: int, idle_seconds: float | None = None) -> None:
    """Serve until Ctrl-C, or until no tab was open and nothing ran for ``idle_seconds``."""
    app = get_app(root)
    server = get_server(app, port)

    async def run() -> None:
        async def watch() -> None:
            while idle_seconds is not None:
                await asyncio.sleep(min(5.0, idle_seconds))
                if (
                    time.monotonic() - app.state.hub.last_client > idle_seconds
                    and not app.state.hub.project.is_running()
                ):
                    server.should_exit = True

        watcher = asyncio.create_task(watch())
        await server.serve()
        watcher.cancel()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())
