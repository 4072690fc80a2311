"""Who may use the studio: the browser that was opened with the key which `make studio` printed, and no other page.

The studio starts processes and reads files, so an address on this machine is not enough: other users of the machine
reach 127.0.0.1 too. The key becomes a cookie that no script and no other site can use.
"""

from __future__ import annotations

import hmac
import os
import secrets
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs

from starlette.responses import HTMLResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gaslamp.interfaces.studio.render import render
from gaslamp.report.dashboard.guard import EMPTY
from gaslamp.report.dashboard.guard import HEADERS as DASHBOARD_HEADERS

POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' '{EMPTY}'; img-src 'self' data: blob:; "
    "connect-src 'self'; worker-src 'self'; frame-src 'self' http://127.0.0.1:*; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
"""The frames are the studio's own pages, and the chat, which the model's own server gives on another port."""
HEADERS = {
    **DASHBOARD_HEADERS,
    "content-security-policy": POLICY,
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",  # with no-referrer a form would come from the origin null
    "cache-control": "no-store",
}
KEY_BYTES = 24


def read_key(file: Path) -> str:
    """The key in ``file``, made at the first call and readable by its owner only: a tab outlives a restart."""
    try:
        key = file.read_text(encoding="ascii").strip()
        if len(key) >= KEY_BYTES:
            return key
    except (OSError, UnicodeDecodeError):
        pass
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    key = secrets.token_urlsafe(KEY_BYTES)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as handle:
        handle.write(key + "\n")
    return key


class Access:
    """Answers only a browser that has the key, as a cookie or once as ``?key=`` in the address."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        """Wrap ``app``."""
        self.app = app
        self.key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, take the key from the address, or refuse it with status 403.

        A request that changes something must also name its origin, which ``Guard`` compares: every browser does.
        """
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["method"] == "POST" and "origin" not in headers:
            await self._refuse("a form without an origin", scope, receive, send)
            return
        if self._is_key(_read_cookie(headers.get("cookie", ""), headers.get("host", ""))):
            await self.app(scope, receive, send)
            return
        given = parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])[0]
        if scope["method"] == "GET" and self._is_key(given):
            answer = RedirectResponse(scope["path"], status_code=303)
            name = get_cookie_name(headers.get("host", ""))
            answer.set_cookie(name, self.key, max_age=30 * 86400, httponly=True, samesite="strict", path="/")
            await answer(scope, receive, send)
            return
        await self._refuse("this browser does not have the key", scope, receive, send)

    def _is_key(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.key.encode())

    async def _refuse(self, problem: str, scope: Scope, receive: Receive, send: Send) -> None:
        page = render("refused.html.j2", problem=problem)
        await HTMLResponse(page, status_code=403)(scope, receive, send)


def get_cookie_name(host: str) -> str:
    """Cookies do not keep ports apart: two studios of one machine have two names."""
    port = host.rpartition(":")[2]
    return f"gaslamp-studio-{port if port.isdigit() else 'local'}"


def _read_cookie(text: str, host: str) -> str:
    try:
        found = SimpleCookie(text).get(get_cookie_name(host))
    except CookieError:
        return ""
    return found.value if found else ""
