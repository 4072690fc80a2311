"""``train.dtype: auto`` on a processor: 16 bit where this one computes products of the model's shape faster in it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from gaslamp.config.methods import get_method
from gaslamp.config.sections.train import CHANGES_BASE
from gaslamp.core.decisions import Decision
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, write_json
from gaslamp.core.processes import agree, is_first
from gaslamp.models.checkpoint import read_shape
from gaslamp.models.shape import Shape

if TYPE_CHECKING:
    from gaslamp.train.plan import Plan
    from gaslamp.train.types import TrainSettings

NARROWEST = 256
"""Width of a model below which its products are too small for the type of their numbers to matter."""
PAYS = 0.8
"""Most time that bfloat16 may take, in terms of float32's, to be chosen: converting costs too."""
TOKENS = 204
"""Rows of the measured products: two rows of the embedded task."""
SECONDS = 1.0
"""For both types together."""
RECORD = "dtype.json"


def choose_dtype(plan: Plan) -> Decision:
    """The type in which a training on a processor computes, and the reason for it.

    A training that resumes keeps the type that its checkpoint was made with.
    """
    wanted = plan.settings.train.dtype
    if wanted != "auto":
        return Decision(name="dtype", value=wanted, reason="set in config.yaml")
    record = plan.checkpoints / RECORD
    if plan.resume:
        try:
            return Decision.model_validate(read_json(record))
        except (GaslampError, ValueError):  # of a version that did not choose
            return Decision(name="dtype", value="float32", reason="as the checkpoint was made")
    chosen = agree(_choose(plan.settings.method, plan.settings.train, read_shape(Path(plan.model.path))))
    if is_first():
        plan.checkpoints.mkdir(parents=True, exist_ok=True)
        write_json(record, chosen.model_dump())
    return chosen


def _choose(method: str, train: TrainSettings, shape: Shape) -> Decision:
    def keep(reason: str) -> Decision:
        return Decision(name="dtype", value="float32", reason=reason)

    if train.adapter == "none":
        return keep("every weight is trained, and small updates of 16-bit weights are rounded away")
    if train.lora.init_lora_weights in CHANGES_BASE:
        return keep(f"{train.lora.init_lora_weights} changes the base weights, and 16 bit would round them")
    if not getattr(get_method(method), "CHUNKED_LOSS", False):
        return keep(f"{method} compares small differences of probabilities")
    if shape.hidden < NARROWEST:
        return keep(f"the products of a model of width {shape.hidden} are too small to gain by 16 bit")
    if not has_units():
        return keep("this processor has no units for bfloat16 (avx512_bf16, AMX, Arm bf16), and is slower in it")
    ratio = measure_ratio(shape.hidden, shape.inner or 4 * shape.hidden)
    ratio_text = f"products of this model's shape take {ratio:.2f} of float32's time in bfloat16 here"
    if ratio > PAYS:
        return keep(f"{ratio_text}: too little to gain")
    return Decision(
        name="dtype", value="bfloat16", reason=f"{ratio_text}; the adapter, its optimizer and the loss stay in float32"
    )


def has_units() -> bool:
    """Whether the processor multiplies bfloat16 numbers itself."""
    import torch

    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").replace("\n", " ").split())
    except OSError:  # macOS: the library knows
        return supported
    return supported and bool(words & {"avx512_bf16", "amx_bf16", "bf16"})


def measure_ratio(hidden: int, inner: int) -> float:
    """Time of a feed-forward layer's products in bfloat16, in terms of float32's; the shortest of many each.

    On one thread: several would wait for each other while other programs run.

    Args:
        hidden, inner: width of the model and of its feed-forward layers.
    """
    import torch

    best = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    rows, weights = torch.randn(TOKENS, hidden), torch.randn(inner, hidden)
    held = {kind: (rows.to(kind), weights.to(kind), weights.T.contiguous().to(kind)) for kind in best}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        end = time.perf_counter() + SECONDS
        while time.perf_counter() < end:  # in turns, so that both see the same load of the machine
            for kind, (left, up, down) in held.items():
                start = time.perf_counter()
                torch.nn.functional.linear(torch.nn.functional.linear(left, up), down)
                best[kind] = min(best[kind], time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return best[torch.bfloat16] / best[torch.float32]
