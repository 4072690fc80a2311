"""What this Python can do: the facts behind outputs/env/env.json.

Standard library only and no syntax newer than Python 3.8: it runs with whatever interpreter a profile names for
training.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import platform
import re
import sys
import time
import types
from importlib import metadata
from pathlib import Path
from typing import Any, TypedDict

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir
from gaslamp.environment.hardware import get_disk_free
from gaslamp.environment.programs import read_system_file
from gaslamp.environment.system import detect_system, is_container
from gaslamp.models.cache import get_hf_cache


class Issue(TypedDict):
    """Why an environment cannot train, with its fix."""

    problem: str
    fix: str


class PythonEnv(TypedDict, total=False):
    """outputs/env/env.json; ``device`` is there only for a backend that reads it."""

    schema_version: int
    env_type: str
    isolation: str  # isolated, or shared with other programs
    prefix: str
    python: str
    python_version: str
    backend: str
    versions: dict[str, str]
    device: dict[str, Any]
    cuda_available: bool
    mps_available: bool
    hf_cache: str
    disk_free_gb: float
    ready: bool
    issues: list[Issue]
    machine_issues: list[str]
    warnings: list[str]
    seconds: float


def get_env_type() -> tuple[str, str]:
    """The kind of this Python environment (venv, conda, docker ...), and ``isolated`` or ``shared``."""
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
        made_by_uv = re.search(r"^uv\s*=", read_system_file(str(prefix / "pyvenv.cfg")), re.MULTILINE)
        return ("uv-venv" if made_by_uv else "venv"), "isolated"
    if ".pyenv" in prefix.parts or (environ.get("PYENV_ROOT") and str(prefix).startswith(environ["PYENV_ROOT"])):
        return "pyenv", "shared"
    return "system", "shared"


def get_install_command(env_type: str, what: str) -> str:
    """The command that installs ``what`` (arguments of pip, such as ``".[cpu]"``) into this kind of environment."""
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
    """Import a package: (module, None), or (None, the error in one line)."""
    try:
        return importlib.import_module(name), None
    except Exception as error:  # a broken wheel raises whatever it likes (OSError, RuntimeError, AttributeError)
        return None, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def get_train_python(wanted: str | None, backend: types.ModuleType, project: Path | None = None) -> str:
    """The interpreter of the training rule.

    Args:
        wanted: ``train_python`` of the config; it is taken as it is.
        backend: plug-in. One whose packages clash with the others names a folder (``VENV``, the mac's ``.venv-mlx``).
        project: folder of the project; default: the working directory.

    Returns:
        ``wanted``; else the Python of VENV, in the project or next to the environment that runs this (the repository's,
        which projects share); else this interpreter.
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


def get_packages_state() -> str:
    """A hash that changes when any package of this Python is installed, removed or replaced."""
    marks = [sys.version]
    for place in dict.fromkeys(path for path in sys.path if path.endswith("-packages")):
        try:
            with os.scandir(place) as entries:
                marks += sorted(f"{one.path} {one.stat().st_mtime_ns}" for one in entries if one.name != "__pycache__")
        except OSError:
            continue
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()


def is_known_to_load(backend: types.ModuleType, name: str) -> bool:
    """Whether these very packages have loaded here before; never for a backend that reads its device through them."""
    try:
        return not hasattr(backend, "read_device") and _get_record(name).read_text() == get_packages_state()
    except (OSError, ValueError):
        return False


def _get_record(name: str) -> Path:
    """Where the state of this Python's packages stands that loaded last."""
    return get_cache_dir() / "loads" / f"{name}-{hashlib.sha256(sys.executable.encode()).hexdigest()[:16]}"


def _note_that_it_loads(name: str) -> None:
    """Remember it; a cache that cannot be written costs the next look some seconds, and nothing else."""
    try:
        record = _get_record(name)
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(get_packages_state())
    except OSError:
        pass


def detect_env(backend: types.ModuleType, name: str, *, is_quick: bool = False) -> PythonEnv:
    """The facts of the Python that runs this.

    Args:
        backend: plug-in whose REQUIRES are imported, unless it cannot be used on this machine at all (installing
            packages would not help then): ``machine_issues`` says so, and the preflight reports it.
        name: of the backend.
        is_quick: packages that have loaded here before, and have not been touched since, are not imported again.
    """
    started = time.monotonic()
    env_type, isolation = get_env_type()
    machine_issues = [problem for problem, _ in backend.find_machine_problems(detect_system(is_quick=True))]
    if not backend.BUILT:
        machine_issues.insert(0, f"the backend {name} is not built yet")
    issues: list[Issue] = []
    missing: list[str] = []
    warnings: list[str] = []
    modules: dict[str, types.ModuleType | None] = {}
    install = get_install_command(env_type, f'".[{backend.EXTRA}]"')
    if own := getattr(backend, "VENV", None):
        install = f"make mlx  (its packages clash with those of .venv: they go to {own}, where the training finds them)"
    too_old = sys.version_info < (3, 11)  # this module also runs on a Python that gaslamp itself cannot use
    if too_old:
        fix = "rm -rf .venv, then make setup with a newer Python (or set train_python to one)"
        issues.append(
            {"problem": f"Python {platform.python_version()} is too old: 3.11 or newer is needed", "fix": fix}
        )
    is_known = is_quick and is_known_to_load(backend, name)
    for package in () if machine_issues or too_old or is_known else backend.REQUIRES:
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
            f"{sys.prefix} is a shared environment ({env_type}): packages that others install there change this project"
        )
    cache = get_hf_cache()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        warnings.append(
            f"the Hugging Face cache {cache} cannot be created ({error.strerror}): set HF_HOME to a writable folder"
        )
    torch: Any = modules.get("torch")
    versions = {}
    for package in dict.fromkeys([*backend.REQUIRES, "snakemake", "tokenizers", "gguf"]):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    env: PythonEnv = {
        "schema_version": 1,
        "env_type": env_type,
        "isolation": isolation,
        "prefix": sys.prefix,
        "python": sys.executable,
        "python_version": platform.python_version(),
        "backend": name,
        "versions": versions,
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
    if env["ready"] and hasattr(backend, "read_device"):
        env["device"] = backend.read_device()
    if env["ready"] and not is_known:
        _note_that_it_loads(name)
    return env


def describe_env(env: PythonEnv) -> str:
    """READY, READY (with warnings), or NOT READY with numbered problems and the command that fixes each."""
    where = f"{env['env_type']}, Python {env['python_version']} in {env['prefix']}"
    if env["ready"]:
        lines = [f"READY{' (with warnings)' if env['warnings'] else ''}: {where}"]
    else:
        lines = [f"NOT READY for {env['backend']}: {where}"]
    problems = list(env["issues"])
    problems += [{"problem": text, "fix": "use snakemake --profile cpu"} for text in env["machine_issues"]]
    for number, issue in enumerate(problems, 1):
        lines += [f"    {number}. {issue['problem']}", f"       fix: {issue['fix']}"]
    return "\n".join(lines + [f"    warning: {text}" for text in env["warnings"]])


def get_env_error(env: PythonEnv) -> GaslampError:
    """The error for an environment whose packages are missing or broken."""
    return GaslampError(
        describe_env(env),
        "run the fix of number 1 in the project folder, then the same command again",
        "another Python was meant: activate its environment first, or set train_python in config.yaml",
    )
