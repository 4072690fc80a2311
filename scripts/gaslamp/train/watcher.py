"""Observes a running training: writes events and progress, requests checkpoints, notices every reason to stop."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from gaslamp.config.sections.diagnose import Diagnose
from gaslamp.core.console import Progress, say
from gaslamp.core.decisions import Decision
from gaslamp.core.events import Events, read_events
from gaslamp.core.finding import Finding
from gaslamp.core.interrupts import STOPS, Requests, catch
from gaslamp.core.liveness import get_node
from gaslamp.core.pace import get_remaining
from gaslamp.core.processes import get_count
from gaslamp.core.workflow_state import find_owner
from gaslamp.train.diagnose import diagnose, get_urgent, stops
from gaslamp.train.history import Column, History, add_events
from gaslamp.train.validation import BestKeeper, ValidationStopped, describe_plan

if TYPE_CHECKING:
    from gaslamp.train.plan import Plan

OWNER_GONE = "the Snakemake that started it is gone"
LOOKS = 50
"""How often in a training all findings are looked for; those that would stop it, after every step."""


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
        history: what was logged so far, for the findings.
        findings: those of the last look, by name.
        stopped_by: the finding for which the training ends early, or ``None``.
        keeper: which weights are kept, or ``None`` before the engine set it.
        validations: steps after which the validation loss is measured; empty where it is not.
        measure: measures the validation loss now; ``None`` where it is not measured.
        valid_rows: that each measurement takes.
        ended: why the training is complete before its last step, or ``None``.
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
        self.limits = Diagnose.model_validate(plan.settings.dump().get("diagnose", {}))
        self.history = History(plan.settings.method, plan.settings.dump()["train"], rows=len(plan.train))
        self.findings: dict[str, Finding] = {}
        self.stopped_by: Finding | None = None
        self.keeper: BestKeeper | None = None
        self.validations: list[int] = []
        self.measure: Callable[[], object] | None = None
        self.valid_rows = 0
        self.ended: str | None = None
        self.seconds: list[float] = []  # of each step of this process

    def begin(self, steps: int) -> None:
        """Note the number of optimizer steps, once it is known."""
        self.steps, self.progress = steps, Progress("step", steps)

    def set_validations(self, places: list[int], rows: int, valid: int) -> None:
        """Note when the validation loss is measured and on how many rows; say so where these are few.

        Args:
            places: steps after which it is; empty: never.
            rows: of each measurement.
            valid: rows that there are.
        """
        self.validations, self.valid_rows = places, rows if places else 0
        if text := describe_plan(self.valid_rows, valid, len(places), self.steps):
            say(text)

    def log_start(
        self,
        epochs: float,
        resumed: int,
        held: dict[str, float],
        probe: dict[str, float],
        chosen: Iterable[Decision] | None = None,
        trainable: int | None = None,
        trained_tokens: int | None = None,
    ) -> None:
        """Write the event ``start``, and log what the probe step took.

        Args:
            epochs: passes over the rows.
            resumed: step of the checkpoint that the training resumes from, or 0.
            held: base_gb and adapters_gb in memory, for the gauge of the dashboard.
            probe: tokens, seconds, peak_memory_gb, and estimated_gb where there is an estimate; empty without a probe.
            chosen: decisions on the settings that the config left open.
            trainable: parameters that are trained.
            trained_tokens: 0 where no token carries loss; ``None``: some do, or a reward decides.
        """
        settings = self.plan.settings
        if probe:
            estimated = f", estimated {probe['estimated_gb']:.1f} at most" if "estimated_gb" in probe else ""
            say(
                f"probe step on the longest rows ({probe['tokens']:.0f} tokens): {probe['seconds']:.1f} s, "
                f"{probe['peak_memory_gb']:.1f} GB{estimated}"
            )
        before = read_events(self.plan.metrics, self.events.key) if resumed else []
        facts = {
            "method": settings.method,
            "settings": settings.dump()["train"],
            "max_steps": self.steps,
            "rows": len(self.plan.train),
            "epochs": epochs,
            "parameters": self.plan.model.parameters,
            "trainable": trainable,
            "trained_tokens": trained_tokens,
            "valid_rows": self.valid_rows,
            "has_answers": bool(self.plan.train) and all(row.get("answer") for row in self.plan.train[:100]),
        }
        self.events.write(
            "start",
            backend=settings.backend,
            resumed_from=resumed,
            pid=os.getpid(),
            **get_node(),
            **({"remote": True} if os.environ.get("GASLAMP_REMOTE") else {}),
            memory=held,
            probe=probe,
            validations=self.validations,
            **facts,
            **({"chosen": {decision.name: decision.text for decision in chosen}} if chosen is not None else {}),
        )
        self.history = History(**facts)
        add_events(self.history, before)
        self.history.cut(resumed)
        if resumed:
            say(f"resuming from checkpoint {resumed} of {self.steps}")
            self.ended = (self.keeper.find_end(self.history) if self.keeper else None) or self.find_hopeless()
        self.look(everything=False)

    def log(self, event: str, step: int, **values: object) -> None:
        """Write an event ``step`` or ``eval`` and look for findings, which are events and lines of the log too."""
        self.events.write(event, step=step, **values)
        self.history.add({"event": event, "step": step, **values})
        if event == "eval" and self.keeper and isinstance(loss := values.get("valid_loss"), float):
            self.keeper.note(step, loss)
            self.ended = self.keeper.find_end(self.history) or self.find_hopeless()
        if event == "step" and isinstance(seconds := values.get("seconds"), float):
            self.seconds.append(seconds)
        if event == "step":
            every = max(1, self.steps // LOOKS)
            self.look(everything=step % every == 0 or step == self.steps)

    def find_hopeless(self) -> str | None:
        """Why a point of a sweep should end early, compared with the others; several processes would not agree."""
        pruner = self.plan.pruner
        return pruner.find_end(self.history) if pruner and self.step < self.steps and get_count() == 1 else None

    def get_remaining(self) -> float | None:
        """Seconds to the last step, as the dashboards estimate them."""
        return get_remaining(self.seconds, self.steps - self.step)

    def look(self, everything: bool = True) -> None:
        """Look for findings; each is said once when it appears, and taken back when later steps contradict it.

        Args:
            everything: also those that only warn.
        """
        urgent = get_urgent()
        found = {one.name: one for one in diagnose(self.history, self.limits, None if everything else urgent)}
        for name, finding in found.items():
            if name not in self.findings:
                self.events.write("finding", step=self.history.step, finding=finding.model_dump(mode="json"))
                say(f"{'note' if finding.severity == 'hint' else 'warning'}: {finding.text}")
        for name in [name for name in self.findings if name not in found and (everything or name in urgent)]:
            self.events.write("finding_gone", step=self.history.step, name=name)
            del self.findings[name]
        self.findings |= found
        if self.limits.stop and self.stopped_by is None:
            self.stopped_by = next((one for one in found.values() if stops(one)), None)

    def emit(self, event: str, **values: object) -> None:
        """Write an event of the method itself, with the step: ``sample`` with prompt, completion and scores."""
        self.events.write(event, step=self.step, **values)

    @contextmanager
    def catch_signals(self) -> Iterator[None]:
        """Ctrl-C, SIGTERM and a closed terminal ask for a stop after the running step; the second one ends at once."""

        def request_stop(number: int, frame: FrameType | None) -> None:
            if not requests.note(number):
                return
            if self.stop_reason:
                raise KeyboardInterrupt
            self.stop_reason = signal.Signals(number).name
            say("stopping after this step, saving a checkpoint (once more: stop at once)")

        requests = Requests()
        before = {number: signal.getsignal(number) for number in STOPS}
        catch(request_stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def look_in_validation(self) -> None:
        """End a validation that goes on when a stop is requested: a checkpoint of the step is saved all the same.

        Not with several processes, which would wait for each other, and not after the last step, which ends the
        training anyway. Raises ValidationStopped.
        """
        if self.stop_reason and self.step < self.steps and get_count() == 1:
            raise ValidationStopped

    def catch_up(self, step: int) -> None:
        """Measure the validation loss of ``step``, from which the training resumes, where a stop ended that."""
        measured = self.history.columns.get("valid_loss")
        if self.measure and step in self.validations and get_count() == 1 and step not in (measured or Column()).steps:
            self.measure()

    def is_save_due(self) -> bool:
        """Whether ``train.save_minutes`` have passed since the last checkpoint."""
        return time.monotonic() - self.last_save >= float(self.plan.settings.train.save_minutes) * 60
