"""The server of the page: what lies on the desk, and one change at a time, each on disk before it is confirmed."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from gaslamp.core.files import JsonObject
from gaslamp.core.ports import get_number, hold_port
from gaslamp.data.review.desk import Desk, Item, show
from gaslamp.data.review.store import Conflict
from gaslamp.report.dashboard.guard import Guard
from gaslamp.report.dashboard.launch import open_browser
from gaslamp.report.dashboard.server import get_server, run_in_thread

if TYPE_CHECKING:
    from uvicorn import Server

PAGE = Path(__file__).parent / "page"
ASSETS = {"page.js": "text/javascript", "style.css": "text/css"}
LARGEST = 4 << 20
"""Bytes of a request."""


class Room:
    """The desk, used by one request at a time; items by id, since new ones appear."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._guard = threading.Lock()
        self._fresh: dict[str, Item] = {}

    def list_all(self) -> JsonObject:
        """All items, as they are on disk now."""
        with self._guard:
            self.desk.store.read()
            items = [show(self.desk, item) for item in self.desk.list_items()]
            return {
                "title": self.desk.title,
                "file": str(self.desk.store.path),
                "left_out": self.desk.left_out,
                "classes": self.desk.classes,
                "can_add": self.desk.make() is not None,
                "can_undo": self.desk.store.can_undo,
                "items": items,
            }

    def make(self) -> JsonObject:
        """An empty row, on disk once it is saved."""
        with self._guard:
            item = self.desk.make()
            if item is None:
                raise ValueError("no rows are written by hand here")
            self._fresh[item.id] = item
            return {"item": show(self.desk, item)}

    def change(self, body: JsonObject) -> tuple[int, JsonObject]:
        """Decide on an item: status of HTTP, and the item as it is now."""
        name, action, version = (str(body.get(key) or "") for key in ("id", "action", "version"))
        texts = body.get("texts") or {}
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            return 400, {"error": "texts is no object of texts"}
        with self._guard:
            self.desk.store.read()
            item = self._find(name)
            if item is None:
                return 404, {"error": "no row of that id: it was removed elsewhere"}
            try:
                self.desk.store.change(name, self.desk.decide(item, action, texts), version)
            except Conflict:
                return 409, {"error": "this row was changed elsewhere meanwhile", "item": show(self.desk, item)}
            except ValueError as error:
                return 400, {"error": str(error)}
            return 200, self._answer(name)

    def undo(self) -> tuple[int, JsonObject]:
        """Take back the last change that was made here."""
        with self._guard:
            try:
                name = self.desk.store.undo()
            except Conflict:
                return 409, {"error": "that row was changed elsewhere since: it stays as it is"}
            return (200, self._answer(name)) if name else (400, {"error": "there is nothing to undo"})

    def _answer(self, name: str) -> JsonObject:
        item = self._find(name)
        return {"id": name, "item": show(self.desk, item) if item else None, "can_undo": self.desk.store.can_undo}

    def _find(self, name: str) -> Item | None:
        known = next((item for item in self.desk.list_items() if item.id == name), None)
        return known or self._fresh.get(name)


def get_app(desk: Desk) -> Starlette:
    """The application for a desk."""
    room = Room(desk)

    def reply(value: JsonObject, status: int = 200) -> Response:
        return JSONResponse(value, status, headers={"cache-control": "no-store"})

    async def page(request: Request) -> Response:
        return FileResponse(PAGE / "index.html", media_type="text/html", headers={"cache-control": "no-cache"})

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in ASSETS:
            return PlainTextResponse("not found\n", 404)
        return FileResponse(PAGE / name, media_type=ASSETS[name], headers={"cache-control": "no-cache"})

    async def items(request: Request) -> Response:
        return reply(await run_in_threadpool(room.list_all))

    async def change(request: Request) -> Response:
        # another site can send a form, but no JSON without a permission that this server never gives
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return reply({"error": "a change is JSON"}, 415)
        if int(request.headers.get("content-length") or 0) > LARGEST:
            return reply({"error": "the row is too long"}, 413)
        try:
            body = await request.json()
        except ValueError:
            return reply({"error": "no JSON"}, 400)
        if not isinstance(body, dict):
            return reply({"error": "no object"}, 400)
        if body.get("action") == "undo":
            status, value = await run_in_threadpool(room.undo)
        elif body.get("action") == "new":
            try:
                status, value = 200, await run_in_threadpool(room.make)
            except ValueError as error:
                status, value = 400, {"error": str(error)}
        else:
            status, value = await run_in_threadpool(room.change, body)
        return reply(value, status)

    routes = [
        Route("/", page),
        Route("/api/items", items),
        Route("/api/change", change, methods=["POST"]),
        Route("/{name}", asset),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard)])


def start_in_thread(desk: Desk, port: int) -> tuple[Server, str]:
    """Serve in a thread of this process, on the first free port from ``port`` on; returns server and address."""
    return run_in_thread(get_app(desk), hold_port(port))


def serve(desk: Desk, port: int) -> None:
    """Serve on the first free port from ``port`` on until Ctrl-C; the browser opens where a person could see it."""
    held = hold_port(port)
    url = f"http://127.0.0.1:{get_number(held)}"
    rows = len(desk.list_items())
    print(
        f"{desk.title.lower()}: {url}\n{rows} rows, each change is saved to {desk.store.path}; Ctrl-C ends it",
        flush=True,
    )
    if desk.left_out:
        print(f"not on the page: {desk.left_out}", flush=True)
    open_browser(url)
    with contextlib.suppress(KeyboardInterrupt):
        get_server(get_app(desk)).run([held])
