"""What machine this is and how to install here: the facts behind outputs/env/system.json.

Standard library only and no syntax newer than Python 3.8: this runs before anything is installed.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from gaslamp.core import registry
from gaslamp.environment.hardware import GpuFacts, get_cores, get_cpu_name, get_disk_free, get_gpus, get_memory
from gaslamp.environment.programs import find_program, get_llama_version, read_system_file, run_text
from gaslamp.models.cache import get_hf_cache

LLAMA_TOOLS = ("llama-quantize", "llama-server", "llama-cli", "llama-bench")
IN_CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))
PACKAGE_MANAGERS = ("uv", "pip", "conda", "mamba", "micromamba", "poetry", "pipenv", "pyenv", "brew", "apt-get", "dnf")


class InstallPath(TypedDict):
    """How to install on this machine, and why so."""

    name: str
    extra: str  # of pyproject.toml
    python: str
    command: str
    reason: str


class System(TypedDict):
    """outputs/env/system.json."""

    schema_version: int
    os: str
    os_version: str
    arch: str
    is_wsl: bool
    is_container: bool
    is_colab: bool
    is_apple_silicon: bool
    apple_chip: str | None
    unified_memory_gb: float | None
    cpu: str
    cores: int
    memory_gb: float
    memory_available_gb: float
    disk_free_gb: float
    gpus: list[GpuFacts]
    current_python: dict[str, str]
    available_pythons: list[dict[str, str]]
    recommended_python: str
    pkg_managers: list[str]
    existing_envs: list[str]
    hf_cache_exists: bool
    llama_cpp: dict[str, Any]  # installed, version, binaries
    compilers: dict[str, str | None]
    colab_cli: str | None
    install_path: InstallPath


def _get_pythons() -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for name in [f"python3.{minor}" for minor in range(9, 16)]:
        path = shutil.which(name)
        version = run_text(path, "--version").rpartition(" ")[2] if path else ""
        if path and version:  # a shim without its Python has a path and no version
            found.append({"path": path, "version": version})
    return found


def _get_envs() -> list[str]:
    places = [Path(name) for name in (".venv", "venv", "env") if (Path(name) / "pyvenv.cfg").is_file()]
    conda = read_system_file(str(Path.home() / ".conda" / "environments.txt")).split("\n")
    return [str(place) for place in places] + [line for line in conda if line.strip() and Path(line).is_dir()]


def _get_llama_cpp() -> dict[str, Any]:
    binaries = {name: path for name in LLAMA_TOOLS if (path := shutil.which(name))}
    version = get_llama_version(binaries["llama-server"]) if "llama-server" in binaries else ""
    return {"installed": bool(binaries), "version": version or None, "binaries": binaries}


def get_install_path(os_name: str, is_apple_silicon: bool, has_gpu: bool, container: bool, colab: bool) -> InstallPath:
    """Which extra to install on a machine, with which Python, and why.

    Args:
        os_name: Linux, Darwin or Windows.
        is_apple_silicon: a Mac with an M processor.
        has_gpu: an NVIDIA GPU is there.
        container: inside a container, which is an isolated environment already.
        colab: on a Colab machine.
    """
    if os_name == "Windows":
        name, extra, why = (
            "wsl",
            "cpu",
            "toolchain and rules are made for Unix: work inside WSL (wsl --install)",
        )
    elif colab:
        name, extra, why = "colab", "cuda", "a Colab machine: it already has torch for its GPU"
    elif is_apple_silicon:
        name, extra, why = (
            "mlx",
            "mlx",
            "Apple silicon: MLX uses its GPU and its unified memory "
            "(training runs in .venv-mlx, everything else in .venv)",
        )
    elif has_gpu:
        name, extra, why = "cuda", "cuda", "an NVIDIA GPU"
    else:
        name, extra, why = "cpu", "cpu", "no GPU that a backend supports: small models train on the processor"
    if container and name in ("cpu", "cuda"):
        why += "; inside a container, which is already isolated"
    backend = registry.find_with("backends", "EXTRA", extra)
    if not backend.BUILT:
        plugin = backend.__name__.rpartition(".")[2]
        extra, why = "cpu", f"{why}; the backend {plugin} is not built yet, so it trains on the processor"
    # some backends have an environment of their own, next to the usual one, with a make target of the extra's name
    has_own = hasattr(registry.find_with("backends", "EXTRA", extra), "VENV")
    command = f"make setup {extra}" if has_own else f'pip install ".[{extra}]"'
    return {"name": name, "extra": extra, "python": "3.12", "command": command, "reason": why}


def get_apple_chip() -> str | None:
    """``Apple M2 Pro``; ``None`` on everything that is no Mac with Apple silicon."""
    return get_cpu_name() if sys.platform == "darwin" and platform.machine() == "arm64" else None


def detect_system(*, is_quick: bool = False) -> System:
    """The facts of this machine that later phases read; loads and changes nothing.

    Args:
        is_quick: without ``available_pythons``: each is started to ask its version, and no plan reads it.
    """
    chip = get_apple_chip()
    is_apple = chip is not None
    memory, gpus = get_memory(), get_gpus()
    container = is_container()
    colab = "COLAB_RELEASE_TAG" in os.environ
    install = get_install_path(platform.system(), is_apple, bool(gpus), container, colab)
    return {
        "schema_version": 1,
        "os": platform.system(),
        "os_version": platform.platform(),
        "arch": platform.machine(),
        "is_wsl": "microsoft" in platform.release().lower(),
        "is_container": container,
        "is_colab": colab,
        "is_apple_silicon": is_apple,
        "apple_chip": chip,
        "unified_memory_gb": memory["total"] if is_apple else None,
        "cpu": get_cpu_name(),
        "cores": get_cores(),
        "memory_gb": memory["total"],
        "memory_available_gb": memory["available"],
        "disk_free_gb": get_disk_free("."),
        "gpus": gpus,
        "current_python": {"path": sys.executable, "version": platform.python_version()},
        "available_pythons": [] if is_quick else _get_pythons(),
        "recommended_python": install["python"],
        "pkg_managers": [name for name in PACKAGE_MANAGERS if shutil.which(name)],
        "existing_envs": _get_envs(),
        "hf_cache_exists": get_hf_cache().is_dir(),
        "llama_cpp": _get_llama_cpp(),
        "compilers": {
            "c": find_program("cc", "gcc", "clang"),
            "c++": find_program("c++", "g++", "clang++"),
            "cmake": find_program("cmake"),
            "ninja": find_program("ninja"),
            "make": find_program("make"),
        },
        "colab_cli": find_program("colab"),
        "install_path": install,
    }


def describe_system(system: System) -> str:
    """One line for people, e.g. ``Linux x86_64, 2 cores, 16.2 of 24.0 GB memory free, 75.9 GB disk free, no GPU``."""
    gpus = ", ".join(f"{gpu['name']} {gpu['vram_gb']} GB" for gpu in system["gpus"])
    parts = [
        f"{system['os']} {system['arch']}",
        f"{system['cores']} cores",
        f"{system['memory_available_gb']} of {system['memory_gb']} GB memory free",
        f"{system['disk_free_gb']} GB disk free",
        system["apple_chip"] or gpus or "no GPU",
    ]
    return ", ".join(parts)


def describe_hardware(system: Mapping[str, Any]) -> str:
    """System, processor, memory (GB) and GPUs on one line; what was not detected is left out.

    Args:
        system: contents of outputs/env/system.json.
    """
    gpus = [gpu for gpu in system.get("gpus") or [] if gpu.get("name")]
    parts = [
        f"{system.get('os') or ''} {system.get('arch') or ''}".strip(),
        system.get("apple_chip") or system.get("cpu") or "",
    ]
    if memory := system.get("unified_memory_gb") or system.get("memory_gb"):
        parts.append(f"{memory:g} GB memory")
    parts += [f"{gpu['name']} {gpu['vram_gb']:g} GB" if gpu.get("vram_gb") else gpu["name"] for gpu in gpus]
    return ", ".join(part for part in parts if part)


def is_container() -> bool:
    """Whether this runs in Docker, Podman or the like."""
    if any(file.exists() for file in IN_CONTAINER):
        return True
    return bool(os.environ.get("container"))  # noqa: SIM112 - podman writes it so
