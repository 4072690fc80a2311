"""The dashboards of the projects inside the studio: the same page and data, under the address of the project."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from gaslamp.interfaces.studio.place import Place
from gaslamp.report.dashboard.hub import TICK, Hub
from gaslamp.report.dashboard.server import get_routes

IDLE = 120.0  # seconds after the last tab until the files of a project are not looked at any more


class Live:
    """An application for ``/project/{name}/live/...``; a project is followed as long as somebody looks."""

    def __init__(self, place: Place) -> None:
        """Nothing is followed yet."""
        self.place = place
        self._apps: dict[Path, tuple[Hub, Starlette]] = {}
        self._tasks: dict[Path, asyncio.Task[None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the dashboard of its project."""
        root = self.place.find(scope["path_params"]["name"])
        if root is None:
            await PlainTextResponse("no such project\n", 404)(scope, receive, send)
            return
        if root not in self._apps:
            hub = Hub(root)
            hub.project.metrics.read_all()
            hub.tick()
            self._apps[root] = (hub, Starlette(routes=get_routes(hub)))
        hub, app = self._apps[root]
        hub.last_client = time.monotonic()
        task = self._tasks.get(root)
        if task is None or task.done():
            self._tasks[root] = asyncio.create_task(self._follow(root, hub))
        await app(scope, receive, send)

    async def _follow(self, root: Path, hub: Hub) -> None:
        while time.monotonic() - hub.last_client < IDLE and root.is_dir():
            more = hub.tick()
            await asyncio.sleep(0 if more else TICK)

    def close(self) -> None:
        """Follow nothing any more."""
        for task in self._tasks.values():
            task.cancel()
