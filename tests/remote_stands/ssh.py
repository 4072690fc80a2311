"""Debian's sshd on 127.0.0.1, with keys and a home folder of its own: a real SSH machine that is this computer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from gaslamp.core.files import get_cache_dir
from gaslamp.core.ports import get_private_port

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
PATIENCE = 90


@dataclass
class Sshd:
    """A server of a folder: host key, authorized key, and the home folder ``there``."""

    folder: Path
    port: int = field(default_factory=get_private_port)
    process: subprocess.Popen[bytes] | None = None
    variables: dict[str, str] = field(default_factory=dict)  # of every command over there

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("host_key", "user_key", "other_key"):
            if not (self.folder / name).is_file():
                command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.folder / name)]
                subprocess.run(command, check=True)
        self.home = self.folder / "there"
        self.home.mkdir(exist_ok=True)
        key = (self.folder / "user_key.pub").read_text(encoding="utf-8")
        (self.folder / "authorized").write_text(key, encoding="utf-8")
        # as root, sshd takes the home folder from the list of users: a forced command enters this one
        # llama.cpp is built once for a user: its cache is that of this machine
        shared = f'HOME="{self.home}" GASLAMP_CACHE="{get_cache_dir()}"'
        shared += "".join(f' {name}="{value}"' for name, value in self.variables.items())
        shell = f'cd "{self.home}" && {shared} exec /bin/sh -c "${{SSH_ORIGINAL_COMMAND:-true}}"'
        (self.folder / "enter.sh").write_text(f"#!/bin/sh\n{shell}\n", encoding="utf-8")
        (self.folder / "enter.sh").chmod(0o755)
        self.write_known(self.port)

    def write_known(self, *ports: int, key: str = "host_key") -> None:
        """The host keys that the client knows, and its settings."""
        public = " ".join((self.folder / f"{key}.pub").read_text(encoding="utf-8").split()[:2])
        known = "".join(f"[127.0.0.1]:{port} {public}\n" for port in ports)
        (self.folder / "known_hosts").write_text(known, encoding="utf-8")
        (self.folder / "config").write_text(
            f"Host *\n  UserKnownHostsFile {self.folder}/known_hosts\n  GlobalKnownHostsFile /dev/null\n"
            f"  StrictHostKeyChecking yes\n  IdentitiesOnly yes\n  IdentityFile {self.folder}/user_key\n",
            encoding="utf-8",
        )

    def start(self, host_key: str = "host_key") -> None:
        """Start the server and wait until it answers."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        options = {
            "ListenAddress": "127.0.0.1",
            "Port": self.port,
            "HostKey": self.folder / host_key,
            "AuthorizedKeysFile": self.folder / "authorized",
            "PidFile": "none",
            "UsePAM": "no",
            "StrictModes": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "yes",
            "MaxStartups": "100",
            "ForceCommand": self.folder / "enter.sh",
        }
        file = self.folder / "sshd_config"
        file.write_text("".join(f"{name} {value}\n" for name, value in options.items()), encoding="utf-8")
        log = (self.folder / "sshd.log").open("ab")
        self.process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(file)], stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while b"Server listening" not in (self.folder / "sshd.log").read_bytes() or not self.answers():
            assert time.monotonic() < end and self.process.poll() is None, (self.folder / "sshd.log").read_text()
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether the port takes a connection."""
        import socket

        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def get_sessions(self) -> list[int]:
        """The processes of its open connections."""
        import psutil

        assert self.process
        with_children = psutil.Process(self.process.pid).children()
        return [child.pid for child in with_children]

    def cut(self) -> None:
        """Kill every open connection; the server goes on."""
        for session in self.get_sessions():
            os.kill(session, signal.SIGKILL)

    def stop(self) -> None:
        """Kill the server and its connections."""
        if self.process:
            self.cut()
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def remote(self) -> dict[str, object]:
        """The section ``remote`` of a config that reaches it."""
        return {"host": "127.0.0.1", "port": self.port, "ssh_config": str(self.folder / "config")}


@contextmanager
def serve(folder: Path, **variables: str) -> Iterator[Sshd]:
    """A server with variables of its user; it and what its connections run are ended."""
    if SSHD is None:
        pytest.skip("no sshd on this machine (apt install openssh-server)")
    server = Sshd(folder, variables=variables)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def stand(folder: Path) -> Iterator[dict[str, object]]:
    """The section ``remote`` for the contract test."""
    with serve(folder) as server:
        yield server.remote
