"""What machine this is and what this Python can do: the facts behind outputs/env/system.json and env.json.

Standard library only and no syntax newer than Python 3.8: the first has to run before anything is installed, the second
with whatever interpreter a profile names for training.
"""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import types
from importlib import metadata
from pathlib import Path
from typing import Any

from gaslamp.core import registry
from gaslamp.core.errors import GaslampError

GB = 1e9  # decimal, as disks, model hubs and gaslamp's own pages count
LLAMA_TOOLS = ("llama-quantize", "llama-server", "llama-cli", "llama-bench")
IN_CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))


def run_text(*command: str) -> str:
    """Output of a short command; empty when there is no such program, it fails, or it hangs for 20 s."""
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""


def _read(path: str) -> str:
    """Text of a small system file; empty when this system has none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


# ------------------------------------------------------------------------------------------------------- the machine


def get_gpus() -> list[dict[str, Any]]:
    """Every NVIDIA GPU that nvidia-smi lists: name, vram_gb, vram_free_gb, driver, cuda (highest that the driver serves)."""
    rows = run_text(
        "nvidia-smi", "--query-gpu=name,memory.total,memory.free,driver_version", "--format=csv,noheader,nounits"
    )
    match = re.search(r"CUDA (?:UMD )?Version:\s*([\d.]+)", run_text("nvidia-smi")) if rows else None
    gpus = []
    for index, row in enumerate(rows.splitlines()):
        cells = [cell.strip() for cell in row.split(",")]
        if len(cells) != 4:
            continue
        gpus.append(
            {
                "index": index,
                "name": cells[0],
                "vram_gb": _from_mib(cells[1]),
                "vram_free_gb": _from_mib(cells[2]),
                "driver": cells[3],
                "cuda": match.group(1) if match else None,
            }
        )
    return gpus


def _from_mib(text: str) -> float | None:
    """``16384`` -> 17.2; unified-memory boards report ``[N/A]``."""
    return round(float(text) * 2**20 / GB, 1) if re.match(r"^\d+(\.\d+)?$", text) else None


def get_memory() -> dict[str, float]:
    """Main memory in GB: ``total`` and ``available`` (free, or freed on demand), inside the container's limit if there is one."""
    if sys.platform == "darwin":
        total = int(run_text("sysctl", "-n", "hw.memsize") or 0)
        pages = run_text("vm_stat")
        size = int((re.search(r"page size of (\d+)", pages) or ["", "4096"])[1])
        counts = dict(re.findall(r"Pages (free|inactive|purgeable|speculative):\s+(\d+)", pages))
        available = sum(int(count) for count in counts.values()) * size
    else:
        fields = dict(re.findall(r"(\w+):\s+(\d+) kB", _read("/proc/meminfo")))
        total, available = int(fields.get("MemTotal", 0)) * 1024, int(fields.get("MemAvailable", 0)) * 1024
        limit = _read("/sys/fs/cgroup/memory.max").strip()
        if limit.isdigit() and int(limit) < total:
            used = int(_read("/sys/fs/cgroup/memory.current") or 0)
            cache = re.search(r"^inactive_file (\d+)", _read("/sys/fs/cgroup/memory.stat"), re.MULTILINE)
            total = int(limit)
            available = min(available, total - used + (int(cache.group(1)) if cache else 0))
    return {"total": round(total / GB, 1), "available": round(available / GB, 1)}


def get_cores() -> int:
    """Processor cores that this process may use: affinity and container quota counted in."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = _read("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        count = min(count, max(1, int(quota[0]) // int(quota[1])))
    return count


def _get_cpu_name() -> str:
    if sys.platform == "darwin":
        return run_text("sysctl", "-n", "machdep.cpu.brand_string")
    match = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return match.group(1).strip() if match else platform.processor() or platform.machine()


def get_disk_free(path: str | Path) -> float:
    """Free GB for this user on the disk that holds ``path`` (or its nearest parent that stands there)."""
    path = Path(path).absolute()
    while not path.exists():
        path = path.parent
    return round(shutil.disk_usage(str(path)).free / GB, 1)


def find_program(*names: str) -> str | None:
    """The first of ``names`` on the PATH or beside this Python (wheels such as cmake put theirs there)."""
    search = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.prefix) / "bin")])
    return next((path for path in (shutil.which(name, path=search) for name in names) if path), None)


def get_hf_cache() -> Path:
    """The folder where the Hugging Face libraries keep models."""
    if value := os.environ.get("HF_HUB_CACHE"):
        return Path(value).expanduser()
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    return Path(home).expanduser() / "hub"


def _get_pythons() -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for name in [f"python3.{minor}" for minor in range(9, 16)]:
        path = shutil.which(name)
        version = run_text(path, "-c", "import platform; print(platform.python_version())") if path else ""
        if path and version:  # a shim without its Python has a path and no version
            found.append({"path": path, "version": version})
    return found


def _get_envs() -> list[str]:
    places = [Path(name) for name in (".venv", "venv", "env") if (Path(name) / "pyvenv.cfg").is_file()]
    conda = _read(str(Path.home() / ".conda" / "environments.txt")).split("\n")
    return [str(place) for place in places] + [line for line in conda if line.strip() and Path(line).is_dir()]


def _get_llama_cpp() -> dict[str, Any]:
    binaries = {name: path for name in LLAMA_TOOLS if (path := shutil.which(name))}
    version = None
    if server := binaries.get("llama-server"):
        done = subprocess.run(
            [server, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
        )
        match = re.search(rb"\(build (\d+)|version: (\d+)", done.stdout)
        version = (match.group(1) or match.group(2)).decode() if match else None
    return {"installed": bool(binaries), "version": version, "binaries": binaries}


def get_install_path(
    os_name: str, is_apple_silicon: bool, has_gpu: bool, container: bool, colab: bool
) -> dict[str, str]:
    """Which extra to install here, with which Python, and why: ``name, extra, python, command, reason``."""
    if os_name == "Windows":
        name, extra, why = (
            "wsl",
            "cpu",
            "the toolchain and the rules are made for Unix: work inside WSL (wsl --install)",
        )
    elif colab:
        name, extra, why = "colab", "cuda", "a Colab machine: it already has torch for its GPU"
    elif is_apple_silicon:
        name, extra, why = (
            "mlx",
            "mlx",
            "Apple silicon: MLX uses its GPU and its unified memory (in .venv-mlx; everything but the training runs in .venv)",
        )
    elif has_gpu:
        name, extra, why = "cuda", "cuda", "an NVIDIA GPU"
    else:
        name, extra, why = "cpu", "cpu", "no GPU that a backend knows: small models train on the processor"
    if container and name in ("cpu", "cuda"):
        why += "; inside a container, which is isolated already"
    backend = {"mlx": "mac", "cuda": "cuda"}.get(extra, "cpu")
    if not registry.get("backends", backend).BUILT:
        extra, why = "cpu", f"{why}; the backend {backend} is not built yet, so it trains on the processor"
    command = (
        "make setup mlx" if extra == "mlx" else f'pip install ".[{extra}]"'
    )  # MLX stands in an environment of its own, beside the usual one
    return {"name": name, "extra": extra, "python": "3.12", "command": command, "reason": why}


def detect_system() -> dict[str, Any]:
    """Everything that later phases ask about this machine (outputs/env/system.json); loads and changes nothing."""
    is_apple = sys.platform == "darwin" and platform.machine() == "arm64"
    memory, gpus = get_memory(), get_gpus()
    container = is_container()
    colab = "COLAB_RELEASE_TAG" in os.environ
    managers = ("uv", "pip", "conda", "mamba", "micromamba", "poetry", "pipenv", "pyenv", "brew", "apt-get", "dnf")
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
        "apple_chip": _get_cpu_name() if is_apple else None,
        "unified_memory_gb": memory["total"] if is_apple else None,
        "cpu": _get_cpu_name(),
        "cores": get_cores(),
        "memory_gb": memory["total"],
        "memory_available_gb": memory["available"],
        "disk_free_gb": get_disk_free("."),
        "gpus": gpus,
        "current_python": {"path": sys.executable, "version": platform.python_version()},
        "available_pythons": _get_pythons(),
        "recommended_python": install["python"],
        "pkg_managers": [name for name in managers if shutil.which(name)],
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


def describe_system(system: dict[str, Any]) -> str:
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


# ------------------------------------------------------------------------------------------------------- this Python


def is_container() -> bool:
    """Whether this runs in Docker, Podman or the like."""
    return any(file.exists() for file in IN_CONTAINER) or bool(os.environ.get("container"))  # noqa: SIM112 - podman writes it so


def get_env_type() -> tuple[str, str]:
    """Kind of this Python environment, and ``isolated`` or ``shared``."""
    prefix, environ = Path(sys.prefix), os.environ
    is_venv = sys.prefix != sys.base_prefix
    if is_container():
        return "docker", "isolated"
    if (prefix / "conda-meta").is_dir():
        base = (prefix / "condabin").is_dir()
        return ("conda-base", "shared") if base else ("conda", "isolated")
    if is_venv and (environ.get("POETRY_ACTIVE") or "pypoetry" in prefix.parts):
        return "poetry", "isolated"
    if is_venv and environ.get("PIPENV_ACTIVE"):
        return "pipenv", "isolated"
    if is_venv:
        made_by_uv = re.search(r"^uv\s*=", _read(str(prefix / "pyvenv.cfg")), re.MULTILINE)
        return ("uv-venv" if made_by_uv else "venv"), "isolated"
    if ".pyenv" in prefix.parts or (environ.get("PYENV_ROOT") and str(prefix).startswith(environ["PYENV_ROOT"])):
        return "pyenv", "shared"
    return "system", "shared"


def get_install_command(env_type: str, what: str) -> str:
    """The command that installs ``what`` (pip's words, such as ``".[cpu]"``) into this kind of environment."""
    own = f'"{sys.executable}" -m pip install {what}'
    fresh = f"make setup  (or: python3 -m venv .venv && .venv/bin/python -m pip install {what})"
    return {
        "uv-venv": f'uv pip install --python "{sys.executable}" {what}',
        "poetry": f"poetry run pip install {what}",
        "pipenv": f"pipenv run pip install {what}",
        "conda-base": f"conda create -n gaslamp python=3.12 pip && conda run -n gaslamp pip install {what}",
        "pyenv": fresh,
        "system": fresh,
    }.get(env_type, own)


def _import(name: str) -> tuple[types.ModuleType | None, str | None]:
    """Import a package for real: (module, None), or (None, what went wrong)."""
    try:
        return importlib.import_module(name), None
    except Exception as error:  # a broken wheel raises whatever it likes (OSError, RuntimeError, AttributeError)
        return None, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def get_train_python(wanted: str | None, backend: Any, project: Path | None = None) -> str:
    """The interpreter of the training rule: the config's, else that of the backend's own environment, else this one.

    A backend whose packages stand apart (``VENV``, the mac's ``.venv-mlx``) trains there as soon as it is there: in the
    project, or beside the environment that runs this (the repository's, which projects share).
    """
    if wanted or not hasattr(backend, "VENV"):
        return wanted or sys.executable
    prefix = Path(sys.prefix)
    places = [
        (project or Path.cwd()) / backend.VENV,
        prefix.with_name(backend.VENV),
        prefix.resolve().with_name(backend.VENV),
    ]
    return next(
        (str(place / "bin" / "python") for place in places if (place / "bin" / "python").is_file()), sys.executable
    )


def detect_env(backend: types.ModuleType, name: str) -> dict[str, Any]:
    """Facts of the Python that runs this (outputs/env/env.json).

    Args:
        backend: plug-in whose REQUIRES are imported, unless it cannot be used on this machine at all: installing its
            packages would not help then. ``machine_issues`` says so, and the preflight tells the user.
        name: its name.

    Returns:
        A dict with, among others, ``ready``, ``issues`` (each with its fix), ``machine_issues`` and ``warnings``.
    """
    started = time.monotonic()
    env_type, isolation = get_env_type()
    machine_issues = [problem for problem, _ in backend.find_machine_problems(detect_system())]
    if not backend.BUILT:
        machine_issues.insert(0, f"the backend {name} is not built yet")
    issues: list[dict[str, str]] = []
    missing: list[str] = []
    warnings: list[str] = []
    modules: dict[str, types.ModuleType | None] = {}
    install = get_install_command(env_type, f'".[{backend.EXTRA}]"')
    if own := getattr(backend, "VENV", None):
        install = f"make mlx  (its packages clash with those of .venv: they go to {own}, which the training then takes by itself)"
    too_old = sys.version_info < (3, 11)  # this module also runs where gaslamp itself cannot
    if too_old:
        fix = "rm -rf .venv, then make setup with a newer Python (or set train_python to one)"
        issues.append(
            {"problem": f"Python {platform.python_version()} is too old: 3.11 or newer is needed", "fix": fix}
        )
    for package in () if machine_issues or too_old else backend.REQUIRES:
        modules[package], problem = _import(package)
        if problem and problem.startswith(f"ModuleNotFoundError: No module named '{package}'"):
            missing.append(package)
        elif problem:
            again = get_install_command(env_type, f"--force-reinstall {package}")
            issues.append({"problem": f"{package} is installed and does not load ({problem})", "fix": again})
    if missing:
        issues.insert(0, {"problem": f"not installed: {', '.join(missing)}", "fix": install})
    if isolation == "shared":
        warnings.append(
            f"{sys.prefix} is a shared environment ({env_type}): what other programs install there changes this project"
        )
    cache = get_hf_cache()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        warnings.append(
            f"the Hugging Face cache {cache} cannot be made ({error.strerror}): set HF_HOME to a folder you may write"
        )
    torch: Any = modules.get("torch")
    versions = {}
    for package in dict.fromkeys([*backend.REQUIRES, "snakemake", "tokenizers", "gguf"]):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "schema_version": 1,
        "env_type": env_type,
        "isolation": isolation,
        "prefix": sys.prefix,
        "python": sys.executable,
        "python_version": platform.python_version(),
        "backend": name,
        "versions": versions,
        **(
            {"device": backend.read_device()}
            if hasattr(backend, "read_device") and not issues and not machine_issues
            else {}
        ),
        "cuda_available": bool(torch and torch.cuda.is_available()),
        "mps_available": bool(torch and torch.backends.mps.is_available()),
        "hf_cache": str(cache),
        "disk_free_gb": get_disk_free("."),
        "ready": not issues and not machine_issues,
        "issues": issues,
        "machine_issues": machine_issues,
        "warnings": warnings,
        "seconds": round(time.monotonic() - started, 1),
    }


def describe_env(env: dict[str, Any]) -> str:
    """READY, READY (with warnings), or NOT READY with numbered problems and the command that mends each."""
    where = f"{env['env_type']}, Python {env['python_version']} in {env['prefix']}"
    if env["ready"]:
        lines = [f"READY{' (with warnings)' if env['warnings'] else ''}: {where}"]
    else:
        lines = [f"NOT READY for {env['backend']}: {where}"]
    problems = env["issues"] + [
        {"problem": text, "fix": "use snakemake --profile cpu"} for text in env["machine_issues"]
    ]
    for number, issue in enumerate(problems, 1):
        lines += [f"    {number}. {issue['problem']}", f"       fix: {issue['fix']}"]
    return "\n".join(lines + [f"    warning: {text}" for text in env["warnings"]])


def get_env_error(env: dict[str, Any]) -> GaslampError:
    """The error for an environment whose packages are missing or broken."""
    return GaslampError(
        describe_env(env),
        "run the fix of number 1 in the project folder, then the same command again",
        "another Python was meant: activate its environment first, or set train_python in config.yaml",
    )
