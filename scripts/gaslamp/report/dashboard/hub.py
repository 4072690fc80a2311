"""The state of the web dashboard: one look at the files for all open tabs, and a queue of events for each."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from sse_starlette import ServerSentEvent

from gaslamp.report.dashboard.overview import Overview, get_overview
from gaslamp.report.dashboard.project import Project
from gaslamp.report.dashboard.snapshot import Update, get_marks, get_update
from gaslamp.report.dashboard.trainings import Training

TICK = 0.5  # seconds between two looks at the files
RETRY = 3000  # milliseconds until a tab connects again
QUEUE = 64  # messages that a slow tab may be behind before it has to load everything again


@dataclass(frozen=True)
class _Seen:
    """What the tabs have of a training: the object and its counters at the last tick, and the points of each series."""

    training: Training
    changes: int = -1
    cuts: int = 0
    sampled: int = 0
    marks: dict[str, int] = field(default_factory=dict)


class Hub:
    """Looks at the files twice a second and sends every tab the same bytes.

    All state changes in ``tick``, which never waits: a snapshot taken between two ticks and the updates after it fit
    together by their numbers.
    """

    def __init__(self, root: Path) -> None:
        """Start with the project in ``root``; nothing is read yet."""
        self.project = Project(root)
        self.queues: dict[asyncio.Queue[tuple[str, bytes]], str] = {}  # -> id of the training it follows, "" = none yet
        self.numbers: dict[str, int] = {}  # training -> number of its newest update
        self.seen: dict[str, _Seen] = {}  # training -> what the tabs have of it
        self.statuses: dict[str, str] = {}
        self.overview: Overview | None = None
        self.overview_time = 0.0
        self.last_client = time.monotonic()
        self.began = int(time.time() * 1000)  # numbers of two servers must not meet

    def get_number(self, name: str) -> int:
        """Number of the newest update of a training."""
        return self.numbers.setdefault(name, self.began)

    def tick(self) -> bool:
        """Read what is new and pass it on; True while there is more to read."""
        more = self.project.metrics.poll()
        for training in list(self.project.metrics.trainings.values()):
            seen = self.seen.get(training.id) or _Seen(training)
            followed = training.id in self.queues.values()
            status = training.get_status()[0] if followed else self.statuses.get(training.id, "")
            same = training is seen.training
            if same and training.changes == seen.changes and status == self.statuses.get(training.id, ""):
                continue
            self.statuses[training.id] = status
            stale = training.cuts != seen.cuts or not same
            # a gap in the numbers makes the tab load everything again
            self.numbers[training.id] = self.get_number(training.id) + (2 if stale else 1)
            if followed:
                new_samples = training.sampled != seen.sampled
                empty: Update = {"head": {}, "series": {}}
                update = empty if stale else get_update(training, seen.marks, new_samples)
                self._emit("update", {"id": training.id, "number": self.numbers[training.id], **update}, training.id)
            self.seen[training.id] = _Seen(
                training, training.changes, training.cuts, training.sampled, get_marks(training)
            )
        self._refresh_overview()
        if self.queues:
            self.last_client = time.monotonic()
        return more

    def _refresh_overview(self) -> None:
        if not self.queues and self.overview or time.monotonic() - self.overview_time < 2 * TICK:
            return
        self.overview_time = time.monotonic()
        overview = get_overview(self.project)
        if overview != self.overview:
            self.overview = overview
            self._emit("project", overview, None)

    def _emit(self, event: str, value: object, name: str | None) -> None:
        data: bytes | None = None
        for queue, followed in self.queues.items():
            if name is None or followed == name:
                data = data or dump(value)
                if queue.full():  # too slow: drop what waits, the gap makes the tab load everything again
                    while not queue.empty():
                        queue.get_nowait()
                queue.put_nowait((event, data))

    async def run(self) -> None:
        """Tick until the task is cancelled; what one tick cannot read is logged, and the next one looks again."""
        logged = ""
        while True:
            more = False
            try:
                more = self.tick()
            except Exception:  # noqa: BLE001 - a screen that stands still looks like a training that does
                text = traceback.format_exc()
                if text != logged:
                    print(text, file=sys.stderr, flush=True)
                    logged = text
            await asyncio.sleep(0 if more else TICK)

    async def follow(self, name: str) -> AsyncIterator[ServerSentEvent]:
        """The events of one tab."""
        queue: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(QUEUE)
        self.queues[queue] = name
        try:
            self._refresh_overview()
            yield ServerSentEvent(dump(self.overview).decode(), event="project", retry=RETRY)
            if name:
                yield ServerSentEvent(dump({"id": name, "number": self.get_number(name)}).decode(), event="hello")
            while True:
                event, data = await queue.get()
                yield ServerSentEvent(data.decode(), event=event)
        finally:
            self.queues.pop(queue, None)


def dump(value: object) -> bytes:
    """JSON bytes; NaN becomes null."""
    return orjson.dumps(value)
