"""The driver ssh against a real sshd: what is wrong is named, with a fix that works, and cut transfers go on."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gaslamp.config.schema import Config
from gaslamp.config.slices import Slice, get_slice, parse_slice
from gaslamp.core.files import sha256_bytes
from gaslamp.core.ports import get_private_port
from gaslamp.remote.driver import RemoteError
from gaslamp.remote.drivers import ssh
from gaslamp.remote.openssh import get_copying, in_any_shell
from remote_stands.ssh import Sshd, serve
from remote_stands.waiting import PATIENCE, wait_until


def get_settings(server: Sshd, **changes: Any) -> Slice:
    config = Config.model_validate({"backend": "ssh", "remote": {**server.remote, **changes}})
    return parse_slice(get_slice(config, "project", "remote"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with serve(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def get_problem(server: Sshd, **changes: Any) -> tuple[str, str]:
    """Cause and fix as the preflight shows them."""
    (problem,) = ssh.check_machine(get_settings(server, **changes))
    return problem.cause, problem.fix


def test_a_machine_that_answers_has_no_problem(server: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where the folder for temporary files has a long path, as on every Mac: that of a socket is short."""
    assert ssh.find_problems(get_settings(server)) == [] == ssh.check_machine(get_settings(server))
    place = tmp_path / ("x" * 100)
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    assert ssh.check_machine(get_settings(server)) == []
    place = Path("/" + "x" * (ssh.SHORT - 1))
    longest = len(str(place / "gl-ssh-12345678" / "c")) + len(".0123456789abcdef")
    assert longest < 104, "what macOS allows"


def test_faults_that_only_a_person_can_fix_are_named(server: Sshd) -> None:
    port = server.port
    cause, fix = get_problem(server, host="no-such-host.invalid")
    assert cause == "there is no host no-such-host.invalid" and "remote.host" in fix
    cause, fix = get_problem(server, key=str(server.folder / "other_key"), ssh_config=write_config(server, key=False))
    assert cause == "127.0.0.1 does not accept your key" and "ssh-copy-id" in fix and f"-p {port}" in fix
    closed = get_private_port()
    cause, _ = get_problem(server, port=closed)
    assert cause.startswith("no connection to 127.0.0.1: ") and "refused" in cause


def test_files_and_settings_that_ssh_refuses_are_named(server: Sshd, tmp_path: Path) -> None:
    """Each was "does not accept your key", or the last line of ssh with a fix for the network."""
    key = tmp_path / "key"
    shutil.copy(server.folder / "user_key", key)
    key.chmod(0o644)
    cause, fix = get_problem(server, key=str(key), ssh_config=write_config(server, key=False))
    assert cause.startswith("ssh refuses a file of yours that others can read: ") and str(key) in cause
    assert "chmod 600" in fix
    (tmp_path / "odd").write_text("Hots x\n", encoding="utf-8")
    cause, _ = get_problem(server, ssh_config=str(tmp_path / "odd"))
    assert cause.startswith(f"ssh cannot read its settings: {tmp_path / 'odd'}: line 1: Bad configuration option")
    jump = Path(write_config(server))
    command = "ProxyCommand sh -c 'echo no such machine >&2; exit 1'"
    jump.write_text(f"Host inner\n  {command}\n{jump.read_text(encoding='utf-8')}", encoding="utf-8")
    cause, fix = get_problem(server, host="inner", port=None, ssh_config=str(jump))
    assert cause.startswith("the way to inner is cut") and f"ssh -F {jump} inner says why" in fix
    for remote, words in (
        ({"key": f"{key}.pub"}, f"remote.key names {key}.pub, which is no file"),
        ({"key": str(server.folder / "user_key.pub")}, "your public key"),
        ({"ssh_config": "none"}, "remote.ssh_config names none, which is no file"),
    ):
        assert words in ssh.find_problems(get_settings(server, **remote))[0].cause


def test_a_folder_that_cannot_be_made_there_is_named(server: Sshd) -> None:
    (server.home / "taken").write_text("x", encoding="utf-8")
    cause, fix = get_problem(server, folder="taken")
    assert cause.startswith("no folder can be made in taken on 127.0.0.1: ") and "Not a directory" in cause
    assert "remote.folder" in fix
    assert get_copying("h", ["-F", "f", "-l", "me", "-p", "5"]) == "-F f -p 5 me@h"


def write_config(server: Sshd, key: bool = True) -> str:
    """The client's settings of the stand-in, without its key."""
    text = (server.folder / "config").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if key or "IdentityFile" not in line]
    file = Path("ssh_config").absolute()
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def test_another_host_key_is_refused_and_the_printed_fix_works(server: Sshd) -> None:
    server.write_known(server.port, key="other_key")
    try:
        cause, fix = get_problem(server)
        assert cause == "the host key of 127.0.0.1 is another one than at your last connection"
        command = shlex.split(fix[fix.index("ssh-keygen") : fix.index(", then")])
        known = ["-f", str(server.folder / "known_hosts")]  # the user's own file stays as it is
        subprocess.run([command[0], *known, *command[1:]], check=True, capture_output=True)
        cause, fix = get_problem(server)
        assert cause == "the host key of 127.0.0.1 is not known to this machine" and "answer yes" in fix
    finally:
        server.write_known(server.port)
    assert ssh.check_machine(get_settings(server)) == []


def test_names_that_would_be_options_of_ssh_are_refused() -> None:
    for remote in ({"host": "-oProxyCommand=touch x"}, {"host": "a b"}, {"host": "a\n"}, {"host": "a", "user": "-l"}):
        with pytest.raises(ValueError, match="does not begin with -"):
            Config.model_validate({"remote": remote})
    for host, words in (("10.0.0.1:2222", "host: 10.0.0.1 and port: 2222"), ("[::1]", "write host: ::1")):
        with pytest.raises(ValueError, match=words):
            Config.model_validate({"remote": {"host": host}})
    for folder in ("$SCRATCH/x", "~other/x"):  # a folder of that name was made there
        with pytest.raises(ValueError, match="no shell reads it"):
            Config.model_validate({"remote": {"folder": folder}})
    assert Config.model_validate({"remote": {"host": "::1", "folder": "~"}}).remote.host == "::1"


def test_a_host_that_prints_at_login_is_refused_and_the_printed_fix_works(server: Sshd) -> None:
    """Also in the second step, which attaches to a lease: every answer and file would begin with those words."""
    enter = server.folder / "enter.sh"
    before = enter.read_text(encoding="utf-8")
    with ssh.open(get_settings(server), None, lambda lease: None) as far:
        lease = far.lease
    (server.home / ".bashrc").write_text("echo Welcome to node7\n", encoding="utf-8")
    enter.write_text(before.replace("/bin/sh -c", 'env BASH_ENV="$HOME/.bashrc" bash -c'), encoding="utf-8")
    try:
        cause, fix = get_problem(server)
        assert "prints words of its own" in cause and "Welcome to node7" in cause and "~/.bashrc" in fix
        with pytest.raises(RemoteError, match="Welcome to node7") as caught:
            ssh.open(get_settings(server), lease, lambda lease: None)
        assert caught.value.retry == ""
        guard = fix.split("'")[1]
        (server.home / ".bashrc").write_text(f"{guard}\necho Welcome to node7\n", encoding="utf-8")
        assert ssh.check_machine(get_settings(server)) == []
    finally:
        enter.write_text(before, encoding="utf-8")


SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "fish", "tcsh", "csh")
AWKWARD = 'it\'s \\ two \\\\ $HOME `id` !x * {a,b} "q"\nnext % é \\047'


def test_a_script_means_the_same_in_every_login_shell(tmp_path: Path) -> None:
    """fish and csh know no { }, > in other ways and other quotes; each one that this machine has runs it."""
    file = shlex.quote(str(tmp_path / "file"))
    script = f"{{ printf %s {shlex.quote(AWKWARD)} > {file}; }} 2>&1 && [ -s {file} ] && cat; exit 3"
    sent = in_any_shell(script)
    inside = sent.rpartition(" sh '")[2][:-1]  # fish and csh change these in single quotes
    assert not set(inside) & set("'!\n") and "\\" not in inside.replace("\\0", "")
    for shell in filter(None, map(shutil.which, SHELLS)):
        done = subprocess.run([shell, "-c", sent], input="given", capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (3, "given", ""), shell
        assert (tmp_path / "file").read_text(encoding="utf-8") == AWKWARD, shell
        (tmp_path / "file").unlink()


def test_an_account_that_runs_no_command_is_named(server: Sshd) -> None:
    enter = server.folder / "enter.sh"
    before = enter.read_text(encoding="utf-8")
    enter.write_text("#!/bin/sh\necho This account is currently not available.\nexit 1\n", encoding="utf-8")
    try:
        cause, fix = get_problem(server)
    finally:
        enter.write_text(before, encoding="utf-8")
    assert cause == "127.0.0.1 lets you in and runs no command: This account is currently not available."
    assert "true must work" in fix


class Cutting(socketserver.BaseRequestHandler):
    """Passes bytes on and closes the connection after some."""

    limits: list[int]
    target: int

    def handle(self) -> None:
        limit = self.limits.pop(0) if self.limits else 1 << 40
        with socket.create_connection(("127.0.0.1", self.target)) as other:
            back = threading.Thread(target=self.copy, args=(other, self.request, 1 << 40), daemon=True)
            back.start()
            self.copy(self.request, other, limit)

    def copy(self, source: socket.socket, target: socket.socket, limit: int) -> None:
        passed = 0
        try:
            while passed < limit and (data := source.recv(16384)):
                target.sendall(data)
                passed += len(data)
        except OSError:
            pass
        finally:
            for one in (source, target):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


@contextmanager
def cut(server: Sshd, limits: list[int]) -> Iterator[int]:
    """A port whose first connections end after so many bytes to the server."""
    handler = type("Handler", (Cutting,), {"limits": list(limits), "target": server.port})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as proxy:
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        port = int(proxy.server_address[1])
        server.write_known(server.port, port)
        try:
            yield port
        finally:
            proxy.shutdown()
            server.write_known(server.port)


def test_a_cut_transfer_is_no_whole_file_and_goes_on_where_it_stopped(server: Sshd, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "large").write_bytes(content)
    with cut(server, [1_200_000]) as port, ssh.open(get_settings(server, port=port), None, lambda lease: None) as far:
        with pytest.raises(RemoteError) as caught:
            far.put(tmp_path / "large", "deep/large")
        assert caught.value.kind == "network" and caught.value.retry == "again"
        assert not Path(far.lease.folder, "deep/large").exists()
        far.put(tmp_path / "large", "deep/large")
        assert Path(far.lease.folder, "deep/large").read_bytes() == content
        place = Path(far.lease.folder)
    digest = sha256_bytes(content)[:16]
    (place / f"next.{digest}.part").write_bytes(content[:2_500_000])
    (place / f"next.{'0' * 16}.part").write_bytes(b"of an older file, ")
    (tmp_path / ".home.part").write_bytes(content[:1_000_000])
    with cut(server, [1_500_000]) as port, ssh.open(get_settings(server, port=port), None, lambda lease: None) as far:
        far.put(tmp_path / "large", "next")  # through a way that passes half of it only
        assert (place / "next").read_bytes() == content and list(place.glob("next*")) == [place / "next"]
        far.get("deep/large", tmp_path / "home")
        assert (tmp_path / "home").read_bytes() == content and not (tmp_path / ".home.part").exists()


UV = """#!/bin/sh
# STAND-IN: installs nothing and takes its time
echo begun >> "$CALLS"
while [ ! -e "$CALLS.go" ]; do sleep 0.1; done
echo ended >> "$CALLS"
"""


def test_an_installation_that_a_connection_left_behind_is_waited_for(server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "uv").write_text(UV, encoding="utf-8")
    (tmp_path / "uv").chmod(0o755)
    (tmp_path / "pyproject.toml").write_text('[project]\ndependencies = ["x"]\noptional-dependencies = {cpu = []}\n')
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    calls = tmp_path / "calls"
    own = [f"PATH={tmp_path}:{os.environ['PATH']}", "UV_DEFAULT_INDEX=x", f"CALLS={calls}"]
    script = Path(__file__).parents[3] / "scripts" / "install_packages.py"
    command = ["env", *own, sys.executable, str(script), "--venv", str(tmp_path / "venv"), "--extras", "cpu"]
    with ssh.open(get_settings(server), None, lambda lease: None) as far:
        far.put(tmp_path / "pyproject.toml", "pyproject.toml")
        with ThreadPoolExecutor() as pool:
            first = pool.submit(far.run, command, 600)
            wait_until(calls.is_file, "it installs")
            server.cut()
            with pytest.raises(RemoteError):
                first.result(PATIENCE)
        handle = far.start(command, "second.log")
        wait_until(lambda: b"another process installs into" in far.read("second.log", 0), "the second one waits")
        assert calls.read_text(encoding="utf-8").split() == ["begun"]
        Path(f"{calls}.go").touch()
        wait_until(lambda: not far.alive(handle), "the second one ends")
        assert calls.read_text(encoding="utf-8").split() == ["begun", "ended"] * 2
        assert b"compiled: " in far.read("second.log", 0)


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("mount") is None, reason="only root mounts a small disk")
def test_a_full_disk_is_named_and_the_same_call_goes_on_after_it(tmp_path: Path) -> None:
    with serve(tmp_path / "sshd") as server:
        disk = server.home / "gaslamp"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("this machine mounts no tmpfs")
        try:
            (tmp_path / "large").write_bytes(content := os.urandom(3_000_000))
            with ssh.open(get_settings(server), None, lambda lease: None) as far:
                with pytest.raises(RemoteError) as caught:
                    far.put(tmp_path / "large", "large")
                assert caught.value.kind == "disk" and not caught.value.retry and "is full" in caught.value.cause
                subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
                far.put(tmp_path / "large", "large")
                assert Path(far.lease.folder, "large").read_bytes() == content
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)
