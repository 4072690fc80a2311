"""A stub of the model hub on 127.0.0.1: repositories are folders; the few addresses that a download of huggingface_hub
asks for.

The real hub is not reachable where the tests run. What the library sends is real, and what comes back has the hub's
shape.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def get_etag(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()


class Hub(BaseHTTPRequestHandler):
    root: Path
    requests: list[str]
    token: str  # who shows another one is refused, as for a gated repository; empty: everybody may read
    look: Callable[[], None]  # is called while a client waits for its answer

    def is_refused(self) -> bool:
        """Whether the right token is missing; then that is answered."""
        self.look()
        if not self.token or self.headers.get("Authorization") == f"Bearer {self.token}":
            return False
        self.answer(401, b"{}", X_Error_Code="GatedRepo", Content_Type="application/json")
        return True

    def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in {"X-Repo-Commit": COMMIT, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def reply(self, value: Any) -> None:
        self.answer(200, json.dumps(value).encode(), Content_Type="application/json")

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.requests.append(f"{self.command} {path}")
        if self.is_refused():
            return None
        parts = path.strip("/").split("/")
        if parts[0] == "api":  # /api/models/owner/name/{revision,tree}/main
            kind, folder, what = parts[1], self.root / parts[1] / "/".join(parts[2:4]), parts[4:5]
            if not folder.is_dir():
                return self.answer(404, b"{}", X_Error_Code="RepoNotFound", Content_Type="application/json")
            files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
            if what == ["tree"]:
                return self.reply(
                    [
                        {
                            "type": "file",
                            "path": str(file.relative_to(folder)),
                            "size": file.stat().st_size,
                            "oid": get_etag(file),
                        }
                        for file in files
                    ]
                )
            return self.reply(
                {
                    "_id": "1",
                    "id": "/".join(parts[2:4]),
                    "sha": COMMIT,
                    "private": False,
                    "tags": [],
                    "downloads": 0,
                    "likes": 0,
                    "siblings": [
                        {
                            "rfilename": str(file.relative_to(folder)),
                            "size": file.stat().st_size,
                            "blobId": get_etag(file),
                        }
                        for file in files
                    ],
                    **({"gated": False, "disabled": False} if kind == "datasets" else {}),
                }
            )
        kind, parts = ("datasets", parts[1:]) if parts[0] == "datasets" else ("models", parts)
        file = self.root / kind / "/".join(parts[:2]) / "/".join(parts[4:])  # owner/name/resolve/revision/path
        if not file.is_file():
            return self.answer(404, X_Error_Code="EntryNotFound")
        body, etag = file.read_bytes(), f'"{get_etag(file)}"'
        start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0]) if "Range" in self.headers else 0
        if start:
            return self.answer(206, body[start:], ETag=etag, Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}")
        return self.answer(200, body, ETag=etag, Accept_Ranges="bytes")

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def do_POST(self) -> None:
        """paths-info: which of the named paths are there."""
        path = unquote(urlsplit(self.path).path)
        self.requests.append(f"POST {path}")
        if self.is_refused():
            return
        parts = path.strip("/").split("/")
        folder = self.root / parts[1] / "/".join(parts[2:4])
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        found = [folder / name for name in body.get("paths", []) if (folder / name).is_file()]
        self.reply(
            [
                {
                    "type": "file",
                    "path": str(file.relative_to(folder)),
                    "size": file.stat().st_size,
                    "oid": get_etag(file),
                }
                for file in found
            ]
        )

    def log_message(self, *args: Any) -> None:
        """Nothing on the terminal of the tests."""


@contextmanager
def serve_hub(root: Path, token: str = "", look: Callable[[], None] = lambda: None) -> Iterator[tuple[str, list[str]]]:
    """Serve ``root``/models/<owner>/<name> and ``root``/datasets/<owner>/<name>: address, and what was requests.

    With ``token`` every repository is gated; ``look`` is called in each request.
    """
    requests: list[str] = []
    values = {"root": root, "requests": requests, "token": token, "look": staticmethod(look)}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Served", (Hub,), values))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", requests
    finally:
        server.shutdown()
