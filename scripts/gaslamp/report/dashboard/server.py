"""The web dashboard: Starlette on 127.0.0.1 with server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from gaslamp.core.files import write_json
from gaslamp.core.ports import get_number, hold_port
from gaslamp.report.dashboard.guard import Guard
from gaslamp.report.dashboard.hub import Hub, dump
from gaslamp.report.dashboard.launch import RECORD, find_server, open_browser
from gaslamp.report.dashboard.outcome import PAGE_POLICY, find_page, get_media_type
from gaslamp.report.dashboard.overview import get_overview
from gaslamp.report.dashboard.series import POINTS
from gaslamp.report.dashboard.snapshot import get_snapshot

if TYPE_CHECKING:
    from uvicorn import Server

PAGE = Path(__file__).parent / "page"
HEARTBEAT = 15  # seconds without news after which a comment keeps a connection open
MAX_CLIENTS = 500
ASSETS = {
    "page.js": "text/javascript",
    "stream.js": "text/javascript",
    "style.css": "text/css",
    "plotly.js": "text/javascript",
}


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

    app = Starlette(routes=get_routes(hub), middleware=[Middleware(Guard)], lifespan=lifespan)
    app.state.hub = hub
    return app


def get_routes(hub: Hub) -> list[Route]:
    """The page of the project that ``hub`` looks at, its files and its data; the studio has it under a path."""

    def reply(value: object, status: int = 200) -> Response:
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

    async def file(request: Request) -> Response:
        found = find_page(hub.project.root, request.path_params["path"])
        if found is None:
            return PlainTextResponse("not found\n", 404)
        headers = {"content-security-policy": PAGE_POLICY, "cache-control": "no-cache"}
        return FileResponse(found, media_type=get_media_type(found), headers=headers)

    async def health(request: Request) -> Response:
        return reply(
            {
                "status": "ok",
                "project": str(hub.project.root.resolve()),
                "clients": len(hub.queues),
                "running": hub.project.is_running(),
            }
        )

    return [
        Route("/", page),
        Route("/api/runs", runs),
        Route("/api/metrics", metrics),
        Route("/api/stream", stream),
        Route("/api/health", health),
        Route("/files/{path:path}", file),
        Route("/{name}", asset),
    ]


def get_server(app: Starlette) -> Server:
    """A uvicorn server that closes open streams at once when it ends; ``run`` and ``serve`` get a held port."""
    import uvicorn

    return uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1))


def start_in_thread(root: Path, port: int) -> tuple[Server, str]:
    """Serve in a thread of this process, on the first free port from ``port`` on.

    Returns:
        The server (set ``should_exit`` to end it) and its address.
    """
    return run_in_thread(get_app(root), hold_port(port))


def run_in_thread(app: Starlette, held: socket.socket) -> tuple[Server, str]:
    """Serve ``app`` on a held port in a thread of this process; returns server and address."""
    server = get_server(app)
    threading.Thread(target=server.run, args=([held],), daemon=True).start()
    while not server.started:
        time.sleep(0.02)
    return server, f"http://127.0.0.1:{get_number(held)}"


def serve(root: Path, held: socket.socket, idle_seconds: float | None = None) -> None:
    """Serve until Ctrl-C, or until no tab was open and nothing ran for ``idle_seconds``."""
    app = get_app(root)
    server = get_server(app)

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
        await server.serve([held])
        watcher.cancel()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


def run_server(root: Path, port: int, show: bool, idle_seconds: float | None = None) -> None:
    """Serve ``root`` on the first free port from ``port`` on, until Ctrl-C; with ``show`` the browser opens."""
    if url := find_server(root):
        print(f"the dashboard of this project already runs: {url}", flush=True)
        if show:
            open_browser(url)
        return
    held = hold_port(port)
    found = get_number(held)
    url = f"http://127.0.0.1:{found}"
    print(
        f"dashboard: {url}"
        + (f" (port {port} is taken)" if found != port else "")
        + "; Ctrl-C ends it, a run continues",
        flush=True,
    )
    write_json(root / RECORD, {"port": found, "pid": os.getpid()})
    # uvicorn raises the signal again when it has closed: the record must still be removed
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    if show:
        open_browser(url)
    try:
        serve(root, held, idle_seconds)
    finally:
        (root / RECORD).unlink(missing_ok=True)
