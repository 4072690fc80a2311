"""A recorded run played again at any speed: its events go to a temporary folder that the screens read."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl
from gaslamp.report.dashboard.launch import open_browser
from gaslamp.report.dashboard.server import start_in_thread
from gaslamp.report.dashboard.terminal import watch

SAMPLES = Path(__file__).parent / "samples"
LONGEST = 30.0
"""Seconds of recorded time between two events that are played; a longer gap (a night between attempts) is skipped."""


def find_recording(root: Path, name: str) -> Path:
    """The metrics file that ``name`` means: a path, a run of the project, or a shipped sample.

    Raises:
        GaslampError: there is none of that name; the message lists those that exist.
    """
    places = [Path(name), root / "logs" / name / "train.metrics.jsonl", SAMPLES / f"{name}.metrics.jsonl"]
    for place in places:
        if place.is_file():
            return place
    runs = sorted(path.parent.name for path in root.glob("logs/*/train.metrics.jsonl"))
    samples = sorted(path.name.removesuffix(".metrics.jsonl") for path in SAMPLES.glob("*.metrics.jsonl"))
    known = f"runs: {', '.join(runs) or 'none'}; samples: {', '.join(samples) or 'none'}"
    raise GaslampError(
        f"there is no recorded run {name} ({known})",
        "make replay RUN=<one of these, or the path of a metrics.jsonl file>",
    )


class Replay:
    """Writes the events of a recording to ``folder``/logs/<run>/train.metrics.jsonl, ``speed`` times faster."""

    def __init__(self, recording: Path, folder: Path, run: str, speed: float) -> None:
        """Read the recording and begin an empty metrics file.

        Raises:
            GaslampError: the recording holds no events.
        """
        self.events = list(read_jsonl(recording))
        if not self.events:
            raise GaslampError(f"{recording} holds no events", "choose a run that logged at least one step")
        self.speed = speed
        self.path = folder / "logs" / run / "train.metrics.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(b"")

    def run(self, stop: threading.Event | None = None) -> None:
        """Play to the end or until ``stop`` is set, with times and process id of now, as in a live training."""
        import orjson

        began, first = time.time(), float(self.events[0]["time"])
        skipped = 0.0
        before = first
        with self.path.open("ab", buffering=0) as handle:
            for event in self.events:
                skipped += max(0.0, event["time"] - before - LONGEST)
                before = event["time"]
                due = began + (event["time"] - first - skipped) / self.speed
                while (wait := due - time.time()) > 0:
                    if stop and stop.wait(min(wait, 0.5)):
                        return
                    if not stop:
                        time.sleep(min(wait, 0.5))
                handle.write(orjson.dumps(self._get_event(event)) + b"\n")

    def _get_event(self, event: dict[str, Any]) -> dict[str, Any]:
        changed = {**event, "time": round(time.time(), 3)}
        if event["event"] == "start":
            changed["pid"] = os.getpid()
        if isinstance(event.get("seconds"), int | float):
            changed["seconds"] = event["seconds"] / self.speed
        return changed


def play(root: Path, name: str, speed: float, port: int, only: str | None) -> int:
    """Show a recorded run on both screens until Ctrl-C; returns the exit code 0.

    Args:
        root: the project.
        name: what ``find_recording`` takes.
        speed: how many times faster than recorded.
        port: first port to try.
        only: ``web`` or ``terminal``; ``None`` for both.

    Raises:
        GaslampError: a speed that is not above 0, or no such recording.
    """
    if speed <= 0:
        raise GaslampError(f"SPEED={speed:g} plays nothing", "take a number above 0, such as SPEED=50")
    recording = find_recording(root, name)
    run = recording.parent.name if recording.name == "train.metrics.jsonl" else recording.name.split(".")[0]
    with tempfile.TemporaryDirectory(prefix="gaslamp-replay-") as folder:
        replay = Replay(recording, Path(folder), run, speed)
        (Path(folder) / "config.yaml").write_text(
            f"project: {{name: 'replay of {run}, {speed:g} times faster'}}\n", encoding="utf-8"
        )
        stop = threading.Event()
        player = threading.Thread(target=replay.run, args=(stop,), daemon=True)
        server = None
        if only != "terminal":
            server, url = start_in_thread(Path(folder), port)
            print(f"replay of {recording} on {url}; Ctrl-C ends it", flush=True)
            open_browser(url)
        player.start()
        try:
            if only == "web":
                while True:
                    time.sleep(1)
            else:
                watch(Path(folder), None)
        except KeyboardInterrupt:
            pass
        finally:
            stop.set()
            if server:
                server.should_exit = True
            player.join(timeout=3)
    return 0
