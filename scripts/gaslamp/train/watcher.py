"""Observes a running training: writes events and progress, requests checkpoints, notices every reason to stop."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from gaslamp.core.console import Progress, say
from gaslamp.core.decisions import Decision
from gaslamp.core.events import Events
from gaslamp.core.workflow_state import find_owner

if TYPE_CHECKING:
    from gaslamp.train.plan import Plan

OWNER_GONE = "the Snakemake that started it is gone"


class Watcher:
    """State of one running training that both engines share.

    Attributes:
        steps: optimizer steps of the whole training.
        step: the one that is running, from 1.
        stop_reason: why the training should stop after the running step; ``None``: it goes on.
        nan: the loss that is NaN or infinite, or ``None``.
        saved: step of the newest checkpoint of this process, 0 before the first.
        last_save: monotonic seconds of that checkpoint.
        peak_memory_gb: highest value that a step logged.
    """

    def __init__(self, plan: Plan, events: Events) -> None:
        self.plan, self.events = plan, events
        self.steps = self.step = 0
        self.stop_reason: str | None = None
        self.nan: float | None = None
        self.saved = 0
        self.peak_memory_gb = 0.0
        self.last_save = self.step_started = time.monotonic()
        self.step_seconds = 0.0
        self.tokens_before = 0.0
        self.owner_gone = find_owner(Path.cwd())

    def begin(self, steps: int) -> None:
        """Note the number of optimizer steps, once it is known."""
        self.steps, self.progress = steps, Progress("step", steps)

    def log_start(
        self,
        epochs: float,
        resumed: int,
        held: dict[str, float],
        probe: dict[str, float],
        chosen: Iterable[Decision] | None = None,
    ) -> None:
        """Write the event ``start``, and log what the probe step took.

        Args:
            epochs: passes over the rows.
            resumed: step of the checkpoint that the training resumes from, or 0.
            held: base_gb and adapters_gb in memory, for the gauge of the dashboard.
            probe: tokens, seconds, peak_memory_gb, and estimated_gb where there is an estimate; empty without a probe.
            chosen: decisions on the settings that the config left open.
        """
        settings = self.plan.settings
        if probe:
            estimated = f", estimated {probe['estimated_gb']:.1f} at most" if "estimated_gb" in probe else ""
            say(
                f"probe step on the longest rows ({probe['tokens']:.0f} tokens): {probe['seconds']:.1f} s, "
                f"{probe['peak_memory_gb']:.1f} GB{estimated}"
            )
        self.events.write(
            "start",
            backend=settings.backend,
            method=settings.method,
            max_steps=self.steps,
            rows=len(self.plan.train),
            epochs=epochs,
            resumed_from=resumed,
            pid=os.getpid(),
            settings=settings.dump()["train"],
            parameters=self.plan.model.parameters,
            memory=held,
            probe=probe,
            **({"chosen": {decision.name: decision.text for decision in chosen}} if chosen is not None else {}),
        )
        if resumed:
            say(f"resuming from checkpoint {resumed} of {self.steps}")

    def emit(self, event: str, **values: object) -> None:
        """Write an event of the method itself, with the step: ``sample`` with prompt, completion and scores."""
        self.events.write(event, step=self.step, **values)

    @contextmanager
    def catch_signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM ask for a stop after the running step; the second one ends at once."""

        def request_stop(number: int, frame: FrameType | None) -> None:
            if self.stop_reason:
                raise KeyboardInterrupt
            self.stop_reason = signal.Signals(number).name
            say("stopping after this step, saving a checkpoint (once more: stop at once)")

        before = {number: signal.signal(number, request_stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def is_save_due(self) -> bool:
        """Whether ``train.save_minutes`` have passed since the last checkpoint."""
        return time.monotonic() - self.last_save >= float(self.plan.settings.train.save_minutes) * 60
