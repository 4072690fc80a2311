"""Stand-ins for a Colab machine, labelled as such: real programs in place of Google's computers.

* ``Runtime``: a real Jupyter server with a real kernel on 127.0.0.1. What the CLI does with a machine that it has
  (exec, upload, download, ls) is the real thing against it.
* ``Assigner``: a STUB of the endpoints that hand machines out and take them back. Google's sign-in, quota and GPUs are
  in no test.
* ``write_cli``: the real CLI, started so that it asks the stub and needs no sign-in.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest

from remote_stands.waiting import wait_until

CACHED_CLI = Path.home() / ".cache" / "gaslamp" / "colab-cli" / "bin" / "colab"
NO_CLI = "google-colab-cli (Python 3.12+) is not installed: .ci/run does it, where there is such a Python"


def find_cli() -> Path:
    """The real CLI: on the PATH, or where .ci/run puts it; else the test is skipped."""
    found = shutil.which("colab")
    cli = Path(found) if found else CACHED_CLI
    if not cli.is_file():
        pytest.skip(NO_CLI)
    return cli


class Runtime:
    """A Jupyter server whose address is its secret, so that it needs no token, like one behind Colab's proxy.

    Its files are those of this machine, as a Colab machine's are its own; ``/content``, which the CLI makes, is
    redirected to ``folder``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        places = {
            f"JUPYTER_{kind.upper()}_DIR": str(folder / "jupyter" / kind) for kind in ("runtime", "config", "data")
        }
        startup = folder / "jupyter" / "ipython" / "profile_default" / "startup"
        startup.mkdir(parents=True)
        (startup / "content.py").write_text(
            f"import os\n_make, _go, _to = os.makedirs, os.chdir, {str(folder)!r}\n"
            "os.makedirs = lambda path, *a, **k: _make(_to if path == '/content' else path, *a, **k)\n"
            "os.chdir = lambda path: _go(_to if path == '/content' else path)\n"
        )
        settings = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": "0",
            "ServerApp.root_dir": "/",
            "ServerApp.base_url": f"/{secrets.token_hex(16)}/",
            "IdentityProvider.token": "",
            "ServerApp.disable_check_xsrf": "True",
            "ServerApp.open_browser": "False",
            "ServerApp.allow_root": "True",
            "ServerApp.jpserver_extensions": "{}",
            "ContentsManager.allow_hidden": "True",
        }
        with (folder / "jupyter.log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyter_server", *(f"--{key}={value}" for key, value in settings.items())],
                cwd=folder,
                env={**os.environ, **places, "IPYTHONDIR": str(folder / "jupyter" / "ipython")},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self.url = str(wait_until(self._read_url, "the Jupyter server answers")).rstrip("/")
        except BaseException:
            self.kill()
            raise

    def _read_url(self) -> str | None:
        assert self.process.poll() is None, (self.folder / "jupyter.log").read_text()
        for file in (self.folder / "jupyter" / "runtime").glob("jpserver-*.json"):
            try:
                return str(json.loads(file.read_text())["url"])
            except ValueError:  # being written
                continue
        return None

    def kill(self) -> None:
        """The machine goes away: the server and its kernels end; programs in sessions of their own do not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


class Assigner(ThreadingHTTPServer):
    """STUB of assign, assignments and unassign: hands out a new Runtime each time, takes it back, refuses on demand."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.folder = folder
        self.runtimes: dict[str, Runtime] = {}
        self.refusals: list[int] = []  # status of the next assignments
        self.requested: list[str] = []  # accelerators, in order
        self.returned: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def assign(self, accelerator: str) -> str:
        endpoint = f"m-{len(self.requested)}"
        self.requested.append(accelerator)
        self.runtimes[endpoint] = Runtime(self.folder / endpoint)
        return endpoint

    def lose(self, endpoint: str) -> None:
        """The machine is gone and nobody returned it."""
        self.runtimes.pop(endpoint).kill()

    def get_entry(self, endpoint: str) -> dict[str, Any]:
        """What Colab says about a machine. The token is about to expire: the CLI asks again in each command."""
        proxy = {"token": "stub-token", "tokenExpiresInSeconds": 60, "url": self.runtimes[endpoint].url}
        return {
            "accelerator": "NONE",
            "endpoint": endpoint,
            "variant": 0,
            "machineShape": 0,
            "runtimeProxyInfo": proxy,
        }

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        for runtime in self.runtimes.values():
            runtime.kill()


class _Answers(BaseHTTPRequestHandler):
    server: Assigner

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def _send(self, status: int, value: object = None) -> None:
        body = f")]}}'\n{json.dumps(value)}".encode() if value is not None else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        url = urlparse(self.path)
        if url.path == "/tun/m/assign":
            self._send(200, {"acc": "NONE", "nbh": "x", "token": "xsrf", "variant": "DEFAULT"})
        elif url.path == "/tun/m/assignments":
            self._send(200, {"assignments": [self.server.get_entry(name) for name in self.server.runtimes]})
        elif url.path.startswith("/tun/m/unassign/"):
            self._send(200, {"token": "xsrf"})
        else:
            self._send(404)

    def do_POST(self) -> None:
        url = urlparse(self.path)
        assert self.headers["X-Goog-Colab-Token"] == "xsrf"
        if url.path == "/tun/m/assign":
            if self.server.refusals:
                self._send(self.server.refusals.pop(0))
                return
            requested = dict(part.split("=", 1) for part in url.query.split("&"))
            self._send(200, self.server.get_entry(self.server.assign(requested.get("accelerator", "NONE"))))
        elif url.path.startswith("/tun/m/unassign/"):
            endpoint = url.path.rpartition("/")[2]
            self.server.returned.append(endpoint)
            if runtime := self.server.runtimes.pop(endpoint, None):
                runtime.kill()
            self._send(200, {})
        else:
            self._send(404)


@contextmanager
def assigning(folder: Path) -> Iterator[Assigner]:
    """The stub, until the block ends; a file that nobody reads stands for a sign-in with gcloud."""
    server = Assigner(folder)
    credentials = folder / "credentials.json"
    credentials.write_text("{}", encoding="utf-8")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(credentials))
            yield server
    finally:
        server.end()
        thread.join()


def write_cli(folder: Path, url: str, extra: str = "") -> Path:
    """A program that is the real CLI with the stub's address and without sign-in.

    Args:
        folder: where to write it.
        url: of the Assigner.
        extra: Python that injects a fault.
    """
    python = find_cli().with_name("python")
    program = folder / "colab"
    program.write_text(
        f"#!{python}\n# STAND-IN: the real CLI without Google's sign-in\n"
        "import dataclasses, requests\nfrom colab_cli import client, common\n"
        f"common.Prod = lambda: client.Prod(domain={url!r}, api={url!r})\n"
        "common.get_credentials = lambda *a, **k: requests.Session()\n"
        f"{extra}\nfrom colab_cli.cli import main\nmain()\n"
    )
    program.chmod(0o755)
    return program


def get_remote(folder: Path, assigner: Assigner, extra: str = "") -> dict[str, object]:
    """The section ``remote`` of a config whose machines come from the stub."""
    cli = write_cli(folder, assigner.url, extra)
    return {"driver": "colab", "gpu": "none", "colab_cli": str(cli), "colab_auth": "adc"}


@contextmanager
def stand(folder: Path) -> Iterator[dict[str, object]]:
    """The section ``remote`` for the contract test."""
    find_cli()
    with assigning(folder) as assigner, pytest.MonkeyPatch.context() as patch:
        project = folder / "project"
        project.mkdir()
        patch.chdir(project)
        yield get_remote(folder, assigner)
        assert not assigner.runtimes, "every machine was given back"
