"""The other machine made ready for a task: files, environment, check, base model, llama.cpp. Each part is done once."""

from __future__ import annotations

import json
import os
from pathlib import Path

from gaslamp.config.backends import get_backend
from gaslamp.core.console import say
from gaslamp.core.contracts import ModelFacts, Preflight
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import sha256_text
from gaslamp.environment.profile import choose_profile
from gaslamp.remote import lines
from gaslamp.remote.bundle import CONFIG, is_fetched_there, make_bundle, send
from gaslamp.remote.driver import CommandFailed, RemoteError
from gaslamp.remote.session import CALL, Session, explain
from gaslamp.remote.task import Task

PYTHONS = ("python3.13", "python3.12", "python3.11", "python3")
FIND_PYTHON = (
    'PATH="$PATH:$HOME/.local/bin:/usr/local/bin:/opt/conda/bin:$HOME/miniconda3/bin:/opt/homebrew/bin"; '
    f'for name in {" ".join(PYTHONS)}; do p=$(command -v "$name") && "$p" -c '
    '"import sys; sys.exit(sys.version_info < (3, 11))" && echo "$p" && exit; done; echo none'
)
"""Also where uv, conda and Homebrew put a Python: ssh starts no login shell, which would know these folders."""
INSTALL = 3600.0  # seconds
FETCH = 6 * 3600.0
PREFLIGHT = Path("outputs/env/preflight.json")
NEEDED = ("pydantic", "yaml", "psutil", "filelock", "jinja2", "rich")
"""Modules of this library's own that the steps over there import."""
ON_THERE = ("model", "start", "checkpoints", "adapters", "reports")
"""Parts of the run's disk space that are written over there too."""


def prepare(session: Session, task: Task, config: Path) -> str:
    """Make the machine ready for the task and return the task's key. Safe to repeat: what is there is not done again.

    Raises:
        GaslampError: no Python, packages that do not install, a machine that is too small, another base model.
    """
    _forget_changed(session)
    boot = _find_python(session)
    if not session.lease.backend:
        send(session.machine, make_bundle(Path.cwd(), config, "cpu", []), boot, session.retry)
        session.lease.backend = _choose_backend(session, boot)
        session.update_lease()
    if not task.is_training and (problem := find_step_problem(session.lease.backend)):
        raise GaslampError(*problem)
    bundle = make_bundle(Path.cwd(), config, session.lease.backend, task.inputs)
    send(session.machine, bundle, boot, session.retry)
    _look_first(session, boot)
    _set_up(session, boot)
    _verify(session)
    for place in task.inputs:
        if place.name == "model.json":
            _fetch_model(session, place)
    if toolchain := task.needs_llamacpp:
        _build_llamacpp(session, toolchain)
    return task.get_key(bundle)


def find_step_problem(backend: str) -> tuple[str, str, str] | None:
    """Why other steps than the training cannot run where this backend trains: cause, usual and less likely fix.

    A backend with an environment of its own (MLX) has there what trains, and not what answers and converts.
    """
    if not hasattr(get_backend(backend), "VENV"):
        return None
    return (
        f"the other machine trains with {backend}, in an environment that only trains",
        "set remote.evaluate: here and remote.export: here",
        "set remote.backend: mps, or cpu, which can do all of it there",
    )


def _forget_changed(session: Session) -> None:
    """What was made ready with another remote.backend, python or image is not what this run asks for."""
    remote, lease = session.settings.remote, session.lease
    wanted = json.dumps([remote.backend, remote.python, remote.image])
    if lease.details.get("wanted", wanted) != wanted:
        lease.python = lease.backend = ""
        for name in ("boot", "pins", "verified", "toolchain"):
            lease.details.pop(name, None)
    lease.details["wanted"] = wanted
    session.update_lease()


def _find_python(session: Session) -> str:
    """The interpreter that unpacks and installs."""
    if session.settings.remote.python:
        return str(session.settings.remote.python)
    if found := session.lease.details.get("boot"):
        return found
    found = session.retry(lambda: session.machine.run(["sh", "-c", FIND_PYTHON], CALL))[-1]
    if found == "none":
        raise GaslampError(
            f"{session.lease.machine} has no Python 3.11 or newer",
            "install one there (make remote-shell, then: apt install python3.11-venv, or uv python install 3.12)",
            "name one with remote.python that has this project's packages already",
        )
    session.lease.details["boot"] = found
    session.update_lease()
    return found


def _choose_backend(session: Session, boot: str) -> str:
    """remote.backend, or what fits that machine."""
    if session.settings.remote.backend != "auto":
        return str(session.settings.remote.backend)
    said = session.retry(lambda: session.machine.run([boot, "scripts/detect_system.py"], CALL))
    found = choose_profile(json.loads("\n".join(said)), str(session.settings.method))
    say(f"{session.lease.machine} trains with {found.name}: {found.reason}")
    return found.name


def _look_first(session: Session, boot: str) -> None:
    """What needs no packages is checked before they are installed: kind of machine, GPU memory, disk."""
    if session.lease.details.get("verified"):
        return
    flags = ["--fit-for", session.lease.backend, "--need-gb", str(get_needed_disk())]
    try:
        session.retry(lambda: session.machine.run([boot, "scripts/detect_system.py", *flags], CALL))
    except CommandFailed as error:
        raise explain(error, session.lease) from error


def get_needed_disk() -> float:
    """GB that the run writes over there, as far as the preflight knows."""
    parts = Preflight.read(PREFLIGHT).disk_needed_gb if PREFLIGHT.is_file() else {}
    return round(sum(size for name, size in parts.items() if name in ON_THERE), 2)


def _find_missing(session: Session, python: str) -> list[str]:
    """Packages that the image's own interpreter lacks for the training."""
    names = [*NEEDED, *get_backend(session.lease.backend).REQUIRES]
    code = "import importlib.util as u, sys; print(*[n for n in sys.argv[1:] if u.find_spec(n) is None])"
    said = session.retry(lambda: session.machine.run([python, "-c", code, *names], CALL))
    return said[-1].split() if said else []


def _set_up(session: Session, boot: str) -> None:
    """An environment over there with the pins of this project; it is shared by all projects with the same pins."""
    lease, image = session.lease, session.settings.remote.image
    backend = get_backend(lease.backend)
    pins = sha256_text(Path("pyproject.toml").read_text(encoding="utf-8") + lease.backend + (image or ""))[:12]
    if lease.python and lease.details.get("pins") == pins:
        return
    missing = _find_missing(session, boot) if image and not session.settings.remote.python else []
    if session.settings.remote.python:
        lease.python = str(session.settings.remote.python)
    elif image and not missing:
        say(f"{image} has the packages: they are used as they are, whatever this project's pins say")
        lease.python = boot
    else:
        if missing:
            say(f"{image} lacks {', '.join(missing)}: an environment by this project's pins is made for it")
        extras = ["cpu"] if backend.EXTRA == "cpu" else ["cpu", backend.EXTRA]
        alone = ["--alone"] if hasattr(backend, "VENV") else []
        extras = [backend.EXTRA] if alone else extras
        venv = f"../environments/{pins}"
        say(f"installing the packages on {lease.machine}: some minutes, once")
        command = [boot, "scripts/install_packages.py", "--venv", venv, "--extras", *extras, *alone]
        try:
            session.retry(lambda: session.machine.run([*command, "--command", "snakemake"], INSTALL))
        except CommandFailed as error:
            raise explain(error, lease) from error
        lease.python = f"{venv}/bin/python"
    try:
        answer = session.ask(lines.Setup, "setup")
    except CommandFailed as error:
        lease.python = ""
        raise GaslampError(
            f"{session.settings.remote.python or 'the new environment'} cannot run the steps over there: "
            f"{error.output.strip().splitlines()[-1] if error.output.strip() else error.status}",
            "correct remote.python, or leave it null: an environment is made then",
        ) from error
    say(f"SETUP_OK: Python {answer.python_version} in {answer.python}")
    lease.details["pins"] = pins
    session.update_lease()


def _verify(session: Session) -> None:
    """Whether that machine can train, once for a lease and environment."""
    lease = session.lease
    mark = f"{lease.backend} {lease.details.get('pins')}"
    if lease.details.get("verified") == mark:
        return
    flags = ["--backend", lease.backend, "--need-gb", str(get_needed_disk())]
    answer = session.ask(lines.Verified, "verify", *flags, timeout=600)
    memory = f", {answer.vram_gb:.0f} GB of GPU memory" if answer.vram_gb else ""
    say(f"VERIFY_OK: {answer.machine}{memory}, {answer.disk_free_gb:.0f} GB of disk free, backend {answer.backend}")
    if answer.gpus > 1:
        say(f"train.processes says how many of its {answer.gpus} GPUs train together")
    for warning in answer.warnings:
        say(f"over there: {warning}")
    lease.machine = f"{lease.machine}, {answer.machine}"
    lease.details["verified"] = mark
    session.update_lease()


def _fetch_model(session: Session, place: Path) -> None:
    """A hub model is downloaded over there, and must have the weights that this run was prepared with."""
    facts, lease = ModelFacts.read(place), session.lease
    mark = f"model {place.as_posix()}"
    if not is_fetched_there(facts) or lease.details.get(mark) == facts.sha256:
        return
    token = os.environ.get("HF_TOKEN", "") if session.settings.remote.hf_token else ""
    say(f"fetching {facts.source} on {lease.machine}")
    step = ["scripts/fetch_model.py", "--config", CONFIG, "--out", place.as_posix(), "--log", "logs/fetch_model.log"]
    flags = ["model", "--facts", place.as_posix(), "--", *step]
    try:
        answer = session.ask(lines.Model, *flags, timeout=FETCH, stdin=token + "\n")
    except RemoteError:
        raise
    except GaslampError as error:
        if token:
            raise
        how = "accept its terms on its page, export HF_TOKEN=... here, and set remote.hf_token: true"
        raise GaslampError(error.cause, error.fix, f"it is gated or private: {how}") from error
    if answer.sha256 != facts.sha256:
        raise GaslampError(
            f"{facts.source} has other weights over there than here: the hub changed it in between",
            f"set model.revision in config.yaml to {facts.revision or 'a commit'}, then the same command",
        )
    lease.details[mark] = facts.sha256
    session.update_lease()


def _build_llamacpp(session: Session, toolchain: str) -> None:
    """llama.cpp is found or built over there by the same step as here."""
    lease = session.lease
    if lease.details.get("toolchain"):
        return
    say(f"llama.cpp is found or built on {lease.machine}, once")
    command = [lease.python, "scripts/build_llamacpp.py", "--out", toolchain, "--log", "logs/build_llamacpp.log"]
    try:
        session.retry(lambda: session.machine.run(command, INSTALL))
    except CommandFailed as error:
        raise explain(error, lease) from error
    lease.details["toolchain"] = "yes"
    session.update_lease()
