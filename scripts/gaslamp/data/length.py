"""How long a row may be: ``train.max_length`` as set, or decided by the rows, the model's context and the memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from gaslamp.config.backends import get_backend
from gaslamp.config.length import Span, get_span, is_length_open, set_length
from gaslamp.config.methods import get_method
from gaslamp.config.presets import choose_by_size
from gaslamp.config.sections.fields import LONGEST
from gaslamp.config.slices import Slice, change_train
from gaslamp.core.contracts import ModelFacts
from gaslamp.core.decisions import Decision
from gaslamp.core.files import read_json
from gaslamp.environment.memory_estimate import MemoryFit, get_leaner
from gaslamp.models.checkpoint import read_shape
from gaslamp.models.shape import Shape

STEP = 64
"""The number is a multiple of it: a few tokens more in a new row change nothing, and kernels like such shapes."""

Estimate = Callable[[Slice], MemoryFit]


@dataclass(frozen=True)
class Machine:
    """Files of the environment phase, for the memory estimate."""

    system: Path  # system.json
    env: Path | None = None  # env.json, for facts of the device


@dataclass(frozen=True)
class Limit:
    """The most tokens that a training row may have, and what a person can do about longer ones."""

    tokens: int
    is_open: bool  # train.max_length is auto: the rows decide, up to ``tokens``
    span: Span
    why: str = ""  # where auto ends here: "they are the context of ..."
    advise: Callable[[int], str] = lambda longest: (
        f"set train.max_length to at least {longest} in config.yaml, the longest row (more memory and time), or "
        "shorten these rows"
    )
    """A fix, from the tokens of the longest row, completion included."""

    def get_fix(self, longest: int) -> str:
        """The usual fix for rows that are too long.

        Args:
            longest: tokens of the longest row, without a completion.
        """
        fix = self.advise(longest + self.span.room)
        lower = ", or lower train.options.max_completion_length" if self.span.room else ""
        return f"the longest has {longest} tokens: {fix}{lower}"

    @property
    def for_added(self) -> int:
        """The most tokens of a row that is added to the user's: it should not make training need more memory."""
        return min(self.tokens, self.span.preset) if self.is_open else self.tokens


def find_limit(settings: Slice, model: ModelFacts, machine: Machine | None = None) -> Limit:
    """The limit before any row is read.

    Args:
        settings: slice with method and train.max_length; for the memory estimate backend and all of train.
        model: the base model, for its context and its shape.
        machine: ``None``: memory sets no limit.
    """
    values = settings.dump()
    span = get_span(settings.method, values["train"])
    if not is_length_open(settings):
        return Limit(settings.train.max_length, False, span)
    context = Limit(
        model.context or LONGEST,
        True,
        span,
        f"the context of {model.name}" if model.context else "the most that train.max_length may be",
        lambda longest: "shorten these rows or divide them, or choose a model with a longer context (model.source)",
    )
    estimate_memory = getattr(get_backend(settings.backend), "estimate_memory", None) if machine else None
    if machine is None or estimate_memory is None:
        return context
    settings, _ = choose_by_size(settings, model.parameters)
    shape, system = read_shape(Path(model.path)), read_json(machine.system)
    device = (read_json(machine.env).get("device") if machine.env else None) or {}

    def estimate(changed: Slice) -> MemoryFit:
        memory: MemoryFit = estimate_memory(shape, changed, system, device, False)
        return memory

    return limit_by_memory(settings, context, estimate, shape)


def limit_by_memory(settings: Slice, context: Limit, estimate: Estimate, shape: Shape) -> Limit:
    """The largest length that fits into the memory with these settings, where that is less than the context.

    It is not below the method's preset: estimates are upper bounds, the preflight has warned, and the probe step before
    the first of a training says what is missing. Where not even the shortest rows fit, length is not what is wrong.
    """

    def fits(changed: Slice, tokens: int) -> bool:
        memory = estimate(set_length(changed, tokens))
        return memory.fit != "exceeds" and not memory.problems

    if fits(settings, context.tokens) or not fits(settings, STEP):
        return context
    low, high = 1, ceil(context.tokens / STEP)  # in steps: fits, does not fit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(settings, middle * STEP) else (low, middle)
    tokens = max(low * STEP, min(context.span.preset, context.tokens))
    if tokens >= context.tokens:
        return context
    memory = estimate(set_length(settings, tokens))
    why = f"what fits into the {memory.kind}: {memory.need_gb:.1f} GB, {memory.free_gb:.1f} GB free"

    def advise(longest: int) -> str:
        needed = round_up(longest)
        batch_is_loss = bool(getattr(get_method(settings.method), "BATCH_IS_LOSS", False))
        steps: list[str] = []
        changed = settings
        anyway = f"or train.max_length: {needed} to try it all the same, or shorten these rows"
        for step in get_leaner(settings.dump()["train"], batch_is_loss):
            steps.append(step.text)
            changed = change_train(changed, step.changes)
            if fits(changed, needed):
                return f"set {' and '.join(steps)}: then {needed} tokens fit; {anyway}"
        return f"train on a machine with more memory, or choose a smaller model (model.source); {anyway}"

    return replace(context, tokens=tokens, why=why, advise=advise)


def round_up(tokens: int) -> int:
    """To the next multiple of STEP."""
    return ceil(tokens / STEP) * STEP


def decide_length(limit: Limit, longest: int) -> Decision:
    """What ``auto`` becomes.

    Args:
        limit: from find_limit.
        longest: tokens of the longest row that counts, before a completion.
    """
    span = limit.span
    wanted = max(round_up(longest + span.room), span.least) if not span.cuts else span.least
    value = min(wanted, limit.tokens)
    row = f"the longest row has {longest} tokens"
    if span.room:
        row = f"the longest prompt has {longest} tokens, a completion up to {span.room}"
    if value < wanted:
        reason = f"{row}; {value} is {limit.why}"
    elif value == span.least:
        reason = f"preset of the method: {span.why}" + ("" if span.cuts else f"; {row}")
    else:
        reason = f"{row}, rounded up to a multiple of {STEP}"
    return Decision(name="max_length", value=value, reason=reason)
