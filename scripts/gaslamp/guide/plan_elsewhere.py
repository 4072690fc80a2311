"""What the plan of a run says of a training on another machine: the machine, its steps and its price."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gaslamp.config.backends import is_remote
from gaslamp.config.schema import Config
from gaslamp.core.files import read_json
from gaslamp.environment.machines import find_processor
from gaslamp.guide.models import get_target

STEPS = "run_remote_"
"""How the rules of a training on another machine begin."""
TRAINS = "run_remote_poll"
"""The rule that waits for it."""


@dataclass(frozen=True)
class Place:
    """The machine that a plan is for."""

    gpu: str  # its name; empty: not known
    words: str  # what it is, and how it is known
    is_known: bool  # not assumed
    backend: str  # that trains there
    price: float | None  # US dollars an hour; None: not known
    price_source: str


def find_place(project: Path, config: Config) -> Place | None:
    """The machine of a run that trains elsewhere; ``None``: it trains here.

    Args:
        project: its folder; the machine of an earlier training is taken for the next one's.
        config: as the run would see it.
    """
    if not is_remote(config.backend):
        return None
    remote = config.remote
    backend = "cuda" if remote.backend == "auto" else remote.backend
    gpu, known = "", ""
    if config.backend == "colab":
        gpu, known = ("" if remote.gpu == "none" else str(remote.gpu)), "remote.gpu"
        backend = backend if gpu else "cpu"
    else:
        gpu, known = _find_last_gpu(project), "as in the last training"
    if backend != "cuda":
        return Place("", f"{backend} over there", False, backend, None, "")
    assumed = get_target({}, config.backend)[1]
    found = find_processor({"gpus": [{"name": gpu}]}) if gpu else None
    words = f"{gpu}, {known}" if found else f"{assumed}; the machine is known after the first connection"
    card = found or find_processor(get_target({}, config.backend)[0])
    price, source = (card.price, card.price_source) if card else (None, "")
    return Place(gpu if found else "", words, found is not None, backend, price, source)


def _find_last_gpu(project: Path) -> str:
    """The GPU of the newest training on another machine: ``2 x NVIDIA L4`` of ``gpu (node7), 2 x NVIDIA L4``."""
    for file in sorted(project.glob("outputs/*/train.json"), key=lambda file: -file.stat().st_mtime):
        if elsewhere := read_json(file).get("elsewhere"):
            return str(elsewhere["machine"]).rpartition(", ")[2]
    return ""


def get_held_seconds(steps: Iterable[tuple[str, float | None]], config: Config) -> float:
    """Seconds for which the machine is held: its steps, and all behind them while later steps run there too.

    Args:
        steps: rule and seconds of each job, in the order of the run.
        config: as the run would see it.
    """
    jobs = list(steps)
    if "there" in (config.remote.evaluate, config.remote.export):
        first = next((at for at, (rule, _) in enumerate(jobs) if rule.startswith(STEPS)), 0)
        return sum(seconds or 0 for _, seconds in jobs[first:])
    return sum(seconds or 0 for rule, seconds in jobs if rule.startswith(STEPS))
