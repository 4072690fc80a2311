"""`make doctor`: what a maintainer needs to know of a machine and a project, in one block without secrets."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from gaslamp import __version__
from gaslamp.config.load import read_config
from gaslamp.config.pin import RECORD, check_pin
from gaslamp.config.slices import load_slice
from gaslamp.core import registry
from gaslamp.core.attempts import get_phases, read_attempts
from gaslamp.core.console import get_size
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import get_cache_dir, read_json
from gaslamp.core.redaction import redact
from gaslamp.environment.python_env import get_train_python
from gaslamp.environment.system import describe_system, detect_system
from gaslamp.export.preflight import find_toolchain
from gaslamp.report.summary import read_last_lines

PACKAGES = ("snakemake", "pydantic", "torch", "transformers", "trl", "peft", "datasets", "gguf")


class Finding(NamedTuple):
    """One section of the report."""

    title: str
    text: str
    is_problem: bool = False


def examine(project: Path | None, backend: str, root: Path) -> list[Finding]:
    """What there is to say of this machine and of ``project``.

    Args:
        project: a project folder; ``None`` when there is none yet.
        backend: the profile that is meant.
        root: the folder of the scripts that run now.
    """
    found = [_get_versions(project, root), Finding("machine", describe_system(detect_system(is_quick=True)))]
    found += [_get_backend(backend, project or root, root), _get_disk(project or root), _get_toolchain(project)]
    if project:
        found += [_get_config(project, backend), _get_failure(project)]
    return found


def render(findings: list[Finding]) -> str:
    """The block to paste: no tokens, no home folder."""
    lines = [f"{finding.title}: {finding.text}{'   <-- problem' if finding.is_problem else ''}" for finding in findings]
    return redact("\n".join(lines))


def _get_versions(project: Path | None, root: Path) -> Finding:
    parts = [f"gaslamp {__version__}", f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            parts.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            parts.append(f"{package} missing")
    commit = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    if not (root / RECORD).is_file() and commit.returncode == 0:
        parts.append(f"commit {commit.stdout.strip()}")
    if project:
        changes = check_pin(project)
        edited = [*changes["edited"], *changes["missing"]]
        parts.append(f"project made by {read_json(project / RECORD)['version']}")
        parts.append(f"pinned files edited: {', '.join(edited[:5])}" if edited else "pinned files unchanged")
    return Finding("versions", ", ".join(parts), any(part.endswith(" missing") for part in parts))


def _get_backend(name: str, project: Path, root: Path) -> Finding:
    """Readiness of the Python that would train, tested in its own process: a broken package cannot end the report."""
    try:
        python = get_train_python(None, registry.get("backends", name), project)
    except GaslampError as error:
        return Finding(f"backend {name}", error.cause, True)
    command = [python, str(root / "scripts" / "detect_env.py"), "--backend", name, "--quick"]
    try:
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(f"backend {name}", f"detect_env.py does not end well: {error}", True)
    return Finding(f"backend {name}", done.stderr.strip()[-2000:] or "no answer", done.returncode != 0)


def _get_disk(place: Path) -> Finding:
    free = shutil.disk_usage(place).free
    cache = get_cache_dir()
    there = next(parent for parent in (cache, *cache.parents) if parent.exists())
    return Finding("disk", f"{get_size(free)} free here, {get_size(shutil.disk_usage(there).free)} at {cache}")


def _get_toolchain(project: Path | None) -> Finding:
    file = project / "resources/llama.cpp/toolchain.json" if project else None
    if file is None or not file.is_file():
        needs_build, error = find_toolchain()
        if error:
            return Finding("llama.cpp", f"not found, and it cannot be built: {error.cause}", True)
        return Finding("llama.cpp", "the run builds it once" if needs_build else "ready")
    facts = read_json(file)
    gone = [name for name, path in facts["tools"].items() if not Path(path).is_file()]
    text = f"{facts['version']}, {facts['source']}: {facts['reason']}"
    return Finding("llama.cpp", text + (f"; no longer there: {', '.join(gone)}" if gone else ""), bool(gone))


def _get_config(project: Path, backend: str) -> Finding:
    files = [project / "config.yaml", project / "profiles" / backend / "backend.yaml"]

    def check() -> str:
        read_config(files[0])
        settings = load_slice([file for file in files if file.is_file()], ["method", "backend"])
        return f"valid, method {settings.method}, backend {settings.backend}"

    return _try("config", check)


def _try(title: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(title, check())
    except GaslampError as error:
        return Finding(title, str(error), True)


def _get_failure(project: Path) -> Finding:
    try:
        phases = get_phases(read_attempts(project / "logs" / "phases.jsonl"))
    except (ValueError, KeyError) as error:
        return Finding("last failure", f"logs/phases.jsonl cannot be read: {error}", True)
    broken = [tries[-1] for tries in phases if tries[-1].status in ("failed", "killed")]
    if not broken:
        return Finding("last failure", "none" if phases else "no step has run yet")
    last = max(broken, key=lambda attempt: attempt.started)
    lines = read_last_lines(project / last.log, 25) if last.log else []
    tail = "".join(f"\n    {line}" for line in lines)
    return Finding("last failure", f"{last.step} {last.status} at {last.started}: {last.error}{tail}", True)
