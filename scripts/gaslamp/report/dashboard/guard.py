"""Who gets an answer from the dashboard: pages of this machine alone, with headers that let them load nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gaslamp.pages.html import get_csp_hash

HOSTS = {"127.0.0.1", "localhost", "[::1]"}
# The only inline style is empty: plotly finds it by its id and adds its rules through the CSSOM, which is allowed.
EMPTY = get_csp_hash("")
POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' '{EMPTY}'; img-src 'self' data: blob:; "
    "connect-src 'self'; worker-src 'self'; "
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


class Guard:
    """Answers only the pages of this machine: the Host is ours (DNS rebinding) and the Origin is the Host."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str] = HEADERS) -> None:
        """Wrap ``app``; its answers get ``headers``, each where the answer itself has none of that name."""
        self.app = app
        self.headers = dict(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it with status 403."""
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
            problem = "the request came from a page of another origin"
        elif headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            problem = "the request came from a page of another site"
        if problem:
            await PlainTextResponse(f"refused: {problem}\n", status_code=403, headers=self.headers)(
                scope, receive, send
            )
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.decode("latin-1").lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((key.encode(), value.encode()) for key, value in self.headers.items() if key not in given),
                ]
            await send(message)

        await self.app(scope, receive, send_with_headers)
