"""The server of the studio: Starlette on 127.0.0.1, pages from templates, forms that answer with a redirect."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.core.ports import get_number, hold_port
from gaslamp.interfaces.studio.access import HEADERS, Access, read_key
from gaslamp.interfaces.studio.desks import Desks
from gaslamp.interfaces.studio.drafts import Drafts
from gaslamp.interfaces.studio.failures import Failures
from gaslamp.interfaces.studio.interview import Interview
from gaslamp.interfaces.studio.jobs import Jobs
from gaslamp.interfaces.studio.live import Live
from gaslamp.interfaces.studio.place import Place
from gaslamp.interfaces.studio.project_facts import Reader
from gaslamp.interfaces.studio.project_pages import ProjectPages
from gaslamp.interfaces.studio.shared_pages import SharedPages
from gaslamp.interfaces.studio.uploads import remove_old
from gaslamp.report.dashboard.guard import Guard
from gaslamp.report.dashboard.launch import open_browser
from gaslamp.report.dashboard.server import get_server, run_in_thread

if TYPE_CHECKING:
    from uvicorn import Server

PORT = 8600
RECORD = "server.json"


def get_app(place: Place, key: str) -> Starlette:
    """The application: every page, behind the checks of Host, Origin and key."""
    drafts, jobs, reader, live = Drafts(place), Jobs(), Reader(), Live(place)
    shared, projects = SharedPages(place, reader), ProjectPages(place, jobs, reader)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        drafts.remove_old()
        remove_old(drafts.uploads)
        yield
        live.close()

    routes: list[BaseRoute] = [
        *shared.routes,
        *(Interview(place, drafts, jobs).routes if place.repository else []),
        *projects.routes,
        Mount("/project/{name}/live", app=live),
        Mount("/project/{name}/label", app=Desks(place, "label")),
        Mount("/project/{name}/review", app=Desks(place, "review")),
    ]
    middleware = [Middleware(Guard, headers=HEADERS), Middleware(Access, key=key), Middleware(Failures)]
    return Starlette(
        routes=routes,
        middleware=middleware,
        lifespan=lifespan,
        exception_handlers={404: shared.show_missing, GaslampError: shared.show_problem},
    )


def start_in_thread(place: Place, port: int | None = None) -> tuple[Server, str]:
    """Serve in a thread of this process.

    Args:
        place: what is shown.
        port: first one to try; None: PORT.

    Returns:
        The server (set ``should_exit`` to end it) and the address with the key.
    """
    key = read_key(place.state / "key")
    held = hold_port(port or PORT)
    server, _ = run_in_thread(get_app(place, key), held)
    return server, get_address(get_number(held), key)


def get_address(port: int, key: str) -> str:
    """What a person opens."""
    return f"http://127.0.0.1:{port}/?key={key}"


def find_running(place: Place, key: str) -> str | None:
    """The address of the studio that already shows this place; None when there is none."""
    import httpx

    port = _read_port(place.state / RECORD)
    if port is None:
        return None
    try:
        answer = httpx.get(get_address(port, key), timeout=2, trust_env=False)
    except httpx.HTTPError:
        return None
    return get_address(port, key) if answer.status_code == 303 else None


def _read_port(record: Path) -> int | None:
    """The port of the last studio of this place; None without a record that can be read."""
    try:
        port = int(read_json(record)["port"]) if record.is_file() else 0
    except (GaslampError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return port if 0 < port < 65536 else None


def run_server(place: Place, port: int | None, show: bool) -> None:
    """Serve until Ctrl-C; with ``show`` the browser opens where a person could see it.

    The port is the one of the last time where it is free, so that an open tab goes on after a restart.

    Args:
        place: what is shown.
        port: first one to try; None: that of the last time, else PORT.
        show: open the browser.
    """
    key = read_key(place.state / "key")
    if url := find_running(place, key):
        print(f"the studio already runs: {url}", flush=True)
        if show:
            open_browser(url)
        return
    record = place.state / RECORD
    last = _read_port(record) or PORT
    held = hold_port(port or last)
    found = get_number(held)
    write_json(record, {"port": found, "pid": os.getpid()})
    url = get_address(found, key)
    print(f"studio: {url}\n  Ctrl-C closes it; what runs goes on, and make studio shows it again", flush=True)
    # what is started here inherits this: a shell that put the studio into the background has switched it off
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    server = get_server(get_app(place, key))
    if show:
        open_browser(url)
    with contextlib.suppress(KeyboardInterrupt):
        server.run([held])
