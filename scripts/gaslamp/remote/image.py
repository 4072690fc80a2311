"""A machine whose steps run in a container image (``remote.image``), by whichever engine is there.

Files go to and come from the machine as without an image: the folder ``remote.folder`` has the same path inside. So do
process numbers: what was started in one container is found, and stopped, from the next.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.remote.driver import CommandFailed, Lease, Machine

ENGINES = ("docker", "podman", "apptainer", "singularity")
"""The engines that are looked for, in this order."""
PULL = 3600.0  # seconds in which an image is fetched
LOOK = 120.0  # seconds for the look at the machine
FIND = """
for name in docker podman apptainer singularity; do
  command -v "$name" > /dev/null || continue
  case $name in docker | podman) ask="ps -q" ;; *) ask=version ;; esac
  if said=$("$name" $ask 2>&1); then echo "engine $name"; break; fi
  echo "silent $name: $(echo "$said" | tail -n 1 | cut -c 1-200)"
done
echo "user $(id -u) $(id -g)"
hf=${HF_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/huggingface}
own=${GASLAMP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gaslamp}
mkdir -p "$hf" "$own" ../home
echo "hf $hf"
echo "cache $own"
if command -v nvidia-smi > /dev/null && nvidia-smi -L 2> /dev/null | grep -q GPU; then echo "gpu yes"; fi
"""
"""Run in the project's folder: an engine that answers, those that do not, user, caches, and whether there is a GPU."""


def enter_image(machine: Machine, image: str | None, keep: Callable[[Lease], None]) -> Machine:
    """The machine itself without an image; else one whose commands run in it.

    Args:
        machine: open.
        image: as the engine over there takes it: ``pytorch/pytorch:...``, a ``.sif`` file.
        keep: is called with the lease when something was learned of the machine.

    Raises:
        GaslampError: no engine answers, or there is no such image.
    """
    if not image:
        return machine
    known = json.loads(machine.lease.details.get("image", "{}"))
    if known.get("image") != image:
        prefix = _make_ready(machine, image)
        machine.lease.details["image"] = json.dumps({"image": image, "prefix": prefix})
        keep(machine.lease)
        known = {"prefix": prefix}
    return ImageMachine(machine, known["prefix"])


def _make_ready(machine: Machine, image: str) -> list[str]:
    """Find the engine and fetch the image; what stands in front of a command that runs in it."""
    found: dict[str, str] = {}
    silent = []
    for line in machine.run(["sh", "-c", FIND], LOOK):
        key, _, value = line.partition(" ")
        if key == "silent":
            silent.append(value)
        else:
            found[key] = value
    if "engine" not in found:
        where = machine.lease.machine
        if silent:
            raise GaslampError(
                f"no container engine answers on {where}: {'; '.join(silent)}",
                "start it there, or let your user use it (docker: sudo usermod -aG docker $USER, then sign in again)",
                "set remote.image: null: an environment is made then",
            )
        raise GaslampError(
            f"remote.image is set and {where} has none of {', '.join(ENGINES)}",
            "install one there (apt install podman), or set remote.image: null: an environment is made then",
        )
    prefix = get_prefix(image, str(PurePosixPath(machine.lease.folder).parent), machine.lease.folder, found)
    say(f"{machine.lease.machine}: {found['engine']} runs {image}; it is fetched there where it is missing")
    try:
        if found["engine"] in ("docker", "podman"):
            engine, name = found["engine"], shlex.quote(image)
            fetch = f"{engine} image inspect {name} > /dev/null 2>&1 || {engine} pull -q {name} >&2"
            machine.run(["sh", "-c", fetch], PULL)
        machine.run([*prefix, "sh", "-c", "true"], PULL)
    except CommandFailed as error:
        said = [line for line in error.output.strip().splitlines() if line.strip()]
        raise GaslampError(
            f"{found['engine']} cannot run {image} on {machine.lease.machine}: {' | '.join(said[-2:])[-400:]}",
            f"try {found['engine']} run --rm {image} true there (make remote-shell), and correct remote.image",
            "a private image: sign in there first (docker login)",
        ) from error
    return prefix


def get_prefix(image: str, root: str, folder: str, found: dict[str, str]) -> list[str]:
    """What stands in front of a command that runs in the image.

    Args:
        image: its name.
        root: the folder of all projects and environments over there.
        folder: of this project, below it.
        found: engine, user (``uid gid``), hf and cache (folders), gpu (``yes``, or missing).
    """
    engine, is_gpu = found["engine"], "gpu" in found
    mounts = list(dict.fromkeys((root, found["hf"], found["cache"])))
    home = f"{root}/home"
    # libraries ask for the name of the user, whom the image does not know
    variables = {"HOME": home, "USER": "user", "HF_HOME": found["hf"], "GASLAMP_CACHE": found["cache"]}
    if engine in ("apptainer", "singularity"):
        place = image if "://" in image or image.endswith(".sif") or image.startswith("/") else f"docker://{image}"
        return [
            *(engine, "exec", "--cleanenv", "--home", home),
            *(["--nv"] if is_gpu else []),
            *(part for mount in mounts for part in ("--bind", f"{mount}:{mount}")),
            *(part for name in ("HF_HOME", "GASLAMP_CACHE") for part in ("--env", f"{name}={variables[name]}")),
            *("--pwd", folder, place),
        ]
    uid, gid = found["user"].split()
    is_root = uid == "0"
    as_user = [] if is_root else ["--user", f"{uid}:{gid}", *(["--userns", "keep-id"] if engine == "podman" else [])]
    gpu = {"docker": ["--gpus", "all"], "podman": ["--device", "nvidia.com/gpu=all"]}[engine] if is_gpu else []
    return [
        *(engine, "run", "--rm", "-i"),
        *("--pid", "host", "--ipc", "host", "--network", "host"),  # workers share memory; ports are the machine's
        *("--security-opt", "label=disable"),  # SELinux would hide the folders
        *as_user,
        *gpu,
        *(part for mount in mounts for part in ("-v", f"{mount}:{mount}")),
        *(part for name, value in variables.items() for part in ("-e", f"{name}={value}")),
        *("-w", folder, "--entrypoint", "", image),
    ]


class ImageMachine:
    """A machine whose commands run in an image."""

    def __init__(self, machine: Machine, prefix: Sequence[str]) -> None:
        self._machine, self._prefix = machine, list(prefix)

    @property
    def lease(self) -> Lease:
        """Of the machine."""
        return self._machine.lease

    @lease.setter
    def lease(self, value: Lease) -> None:
        """Of the machine."""
        self._machine.lease = value

    def run(self, command: Sequence[str], timeout: float, stdin: str = "") -> list[str]:
        """Run a program in the image, in the project's folder."""
        try:
            return self._machine.run([*self._prefix, *command], timeout, stdin)
        except CommandFailed as error:
            raise CommandFailed(command, error.status, error.output) from error

    def start(self, command: Sequence[str], log: str) -> str:
        """Start a program in a container of its own."""
        return self._machine.start([*self._prefix, *command], log)

    def put(self, source: Path, name: str) -> None:
        """Send a file to the machine."""
        self._machine.put(source, name)

    def get(self, name: str, target: Path) -> None:
        """Bring a file of the machine home."""
        self._machine.get(name, target)

    def read(self, name: str, offset: int) -> bytes:
        """The bytes of a file of the machine."""
        return self._machine.read(name, offset)

    def alive(self, handle: str) -> bool:
        """Whether the container of ``start`` runs."""
        return self._machine.alive(handle)

    def release(self) -> str:
        """Give the machine back."""
        return self._machine.release()

    def close(self) -> None:
        """End the connection."""
        self._machine.close()

    def get_shell(self) -> list[str]:
        """A terminal on the machine, outside of the image."""
        shell: list[str] = self._machine.get_shell()  # type: ignore[attr-defined]
        return shell

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
