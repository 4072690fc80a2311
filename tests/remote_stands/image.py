"""A real container engine: podman as root, with an empty image into which this machine's programs are mounted."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NAME = "localhost/gaslamp-test:1"
CONTAINERS = """[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
volumes = [{volumes}]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
"""


@contextmanager
def engine(folder: Path) -> Iterator[dict[str, str]]:
    """The variables with which podman finds the image NAME; its python3 is that of these tests, with all packages."""
    if os.getuid() != 0 or not shutil.which("podman") or not shutil.which("runc"):
        pytest.skip("no podman with runc here, or not as root (apt install podman runc)")
    folder.mkdir(parents=True)
    places = ["/usr", "/lib", "/lib64", "/bin", "/etc", sys.base_prefix, str(Path(sys.prefix).resolve())]
    places += [os.path.realpath(place) for place in sys.path if place and Path(place).is_dir()]
    mounted = [one for one in dict.fromkeys(places) if Path(one).exists()]
    variables = {
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
    }
    volumes = ", ".join(f'"{place}:{place}:ro"' for place in mounted)
    Path(variables["CONTAINERS_CONF"]).write_text(CONTAINERS.format(volumes=volumes), encoding="utf-8")
    Path(variables["CONTAINERS_STORAGE_CONF"]).write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n', encoding="utf-8"
    )
    with tarfile.open(folder / "empty.tar", "w") as archive:
        for name in ("tmp", "proc", "sys", "dev"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o777
            archive.addfile(info, io.BytesIO())
    environ = {**os.environ, **variables}
    path = f"ENV PATH={Path(sys.prefix).resolve()}/bin:/usr/bin:/bin"
    command = ["podman", "import", "--change", path, str(folder / "empty.tar"), NAME]
    try:
        subprocess.run(command, env=environ, check=True, capture_output=True)
        yield variables
    finally:
        subprocess.run(["podman", "rm", "--all", "--force"], env=environ, check=False, capture_output=True)
        subprocess.run(["podman", "rmi", "--all", "--force"], env=environ, check=False, capture_output=True)
