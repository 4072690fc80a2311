"""How long the steps of a run take apart from the training, where no earlier run of the project shows it.

The seconds are those of the embedded task, with its 135M model on two quiet cores: 12 min 15 s in all, 6 min 12 s of
them training (docs/measurements.md), the rest divided as one run with times for each step divides it. What a step
takes whatever the model (packages are loaded, servers start) is what runs of models below a million parameters take.
"""

from __future__ import annotations

from typing import NamedTuple

from gaslamp.models.shape import Shape

SIZE = 0.1345  # billions of parameters of the embedded model
CORES = 2


class Cost(NamedTuple):
    """Seconds of a step, and what they grow with."""

    seconds: float
    grows: str = ""  # compute: parameters, over cores; bytes: parameters; empty: neither
    start: float = 0.0  # seconds of them that do not grow


COSTS = {
    "detect_env": Cost(4),
    "fetch_model": Cost(5, "bytes", 4),
    "prepare_data": Cost(4),
    "build_data_page": Cost(3),
    "build_llamacpp": Cost(2),
    "check_export": Cost(8),
    "evaluate_model": Cost(38, "compute", 6),
    "evaluate_rival": Cost(30, "compute", 6),
    "compare_models": Cost(2),
    "merge_adapters": Cost(5, "bytes", 3),
    "convert_gguf": Cost(11, "bytes", 5),
    "quantize_gguf": Cost(7, "compute"),
    "evaluate_gguf": Cost(12, "compute", 1),
    "measure_gguf": Cost(34, "compute", 7),
    "build_ladder": Cost(2),
    "check_parity": Cost(12, "compute", 6),
    "run_remote_push": Cost(240),  # the first time, with the packages; afterwards as measured
    "run_remote_train": Cost(10),
    "run_remote_pull": Cost(10),
}
OTHER = Cost(1)
TRAIN_START = 12.0
"""Seconds of the training step before its first step and after its last: packages, model, probe, saving."""


def get_step_seconds(step: str, shape: Shape | None, cores: int) -> float | None:
    """Seconds of a step; ``None`` when they depend on a model of unknown size.

    Args:
        step: as in logs/phases.jsonl; a suffix (a level) counts as its step.
        shape: of the base model.
        cores: of the processor: evaluation and export run there with every profile.
    """
    cost = next((COSTS[name] for name in sorted(COSTS, key=len, reverse=True) if step.startswith(name)), OTHER)
    if not cost.grows:
        return cost.seconds
    if shape is None:
        return None
    times = shape.computed / 1e9 / SIZE
    share = CORES / max(cores, 1) if cost.grows == "compute" else 1
    return cost.start + (cost.seconds - cost.start) * times * share
