"""The steps of a task on another machine: push, train, poll, pull. Each can be repeated after a kill on either side."""

from __future__ import annotations

import json
import shutil
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

from gaslamp.core.artefact import now
from gaslamp.core.console import get_size, say
from gaslamp.core.contracts import Elsewhere, TrainFacts
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, lock, sha256_bytes, sha256_path, write_json, write_text
from gaslamp.core.liveness import watch_here
from gaslamp.core.seals import require_intact, seal, unseal
from gaslamp.remote import lines
from gaslamp.remote.arrivals import Arrival, ForeignFile, unpack
from gaslamp.remote.driver import CommandFailed, RemoteError
from gaslamp.remote.place import FOLDER
from gaslamp.remote.session import ANSWER, CALL, Session, read_error
from gaslamp.remote.setup import prepare
from gaslamp.remote.task import Task
from gaslamp.remote.there import MOST, find_newest, list_checkpoints
from gaslamp.train.checkpoints import get_step

LEASES = 5  # machines that one training may lose
DEATHS = 3  # times that it may be killed without a newer checkpoint
PACK = 3600.0  # seconds


class Trip:
    """A task and the machine that runs it.

    Args:
        session: an open machine.
        task: what runs there.
        config: the merged config of the run.
    """

    def __init__(self, session: Session, task: Task, config: Path) -> None:
        self.session, self.task, self.config = session, task, config
        self.key = ""

    def push(self) -> None:
        """Send what the task needs, and make the machine ready; a damaged file is not sent."""
        require_intact(self.task.inputs)
        with lock(FOLDER / "push.lock", "another step sends its files; waiting"):  # there is one manifest over there
            self.session.refresh()
            self.key = prepare(self.session, self.task, self.config)

    def start(self) -> lines.Job:
        """Start the task, unless it runs or is done; a training goes on from the newest checkpoint of both sides."""
        if not self.key:
            self.push()
        job = self.find()
        if job.key == self.key and job.state in ("running", "finished"):
            say(f"it {'still runs' if job.state == 'running' else 'is finished'} on {self.session.lease.machine}")
            return job
        if job.state == "running":
            say(f"an older start of it runs on {self.session.lease.machine}: it saves and stops first")
            self.session.ask(lines.Stopped, "stop", "--job", self.task.name, timeout=CALL * 4)
            job = self.find()
        if self.task.is_training:
            self._send_state(job)
        flags = ["--job", self.task.name, "--key", self.key, "--", *self.task.there]
        command = [self.session.lease.python, ANSWER, "supervise", *flags]
        log = f".gaslamp/there/{self.task.name}/output.log"
        self.session.retry(lambda: self.session.machine.start(command, log))
        limit = time.monotonic() + CALL
        while (job := self.find()).key != self.key:
            if time.monotonic() > limit:
                said = self._read_end(log, 1000)
                raise GaslampError(f"{self.task.script} did not start over there: {said}", "run the same command")
            time.sleep(0.2)
        say(f"started on {self.session.lease.machine}")
        return job

    def find(self) -> lines.Job:
        """What became of the task over there."""
        return self.session.ask(lines.Job, "find", *self.task.get_state_flags(self.session.lease.backend))

    def _send_state(self, job: lines.Job) -> None:
        """Checkpoint and metrics of an earlier machine, where they are ahead of what is there."""
        machine, task = self.session.machine, self.task
        newest = find_newest(task.checkpoints, self.session.lease.backend)
        size = task.metrics.stat().st_size if task.metrics.is_file() else 0
        if size > job.metrics:
            self.session.retry(lambda: machine.put(task.metrics, task.metrics.as_posix()))
        if newest is None or get_step(newest) <= job.step:
            return
        say(f"sending {newest.name}, from which it goes on")
        more = [file for file in newest.parent.iterdir() if file.is_file()]
        archive = FOLDER / f"{self.task.name}.state.tar"
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive, "w") as handle:
            for place in (newest, *more):
                handle.add(place, arcname=place.as_posix())
        name = f".gaslamp/there/state-{sha256_path(archive)[:16]}.tar"
        self.session.retry(lambda: machine.put(archive, name))
        archive.unlink()
        python = self.session.lease.python
        self.session.retry(lambda: machine.run([python, "-m", "tarfile", "-e", name, "."], PACK))

    def finish(self) -> None:
        """Start the task where that is needed and wait for its end, on another machine when this one is lost."""
        for lost in range(LEASES):
            try:
                self.start()
                self._watch()
                return
            except RemoteError as error:
                if error.retry != "lease" or lost + 1 == LEASES:
                    raise
                say(f"{error.cause}; another machine goes on from what came home")
                self.session.renew()
                self.key = ""

    def _watch(self) -> None:
        """Append its metrics and its output to the files here until it ends; restart what was killed."""
        session = self.session
        remote = session.settings.remote
        deaths, best, at_home = 0, -1, self._get_step_here()
        fetched = time.monotonic()
        with watch_here(Path.cwd()):
            while True:
                session.require_owner()
                poll = session.ask(lines.Poll, "poll", *self._get_offsets())
                self._take(poll)
                job = poll.job
                if job.state == "running":
                    if self._is_due(fetched) and job.step > at_home:
                        at_home, fetched = self._bring_checkpoint(at_home), time.monotonic()
                    if len(poll.metrics) + len(poll.output) < MOST // 2:  # else there is more to fetch
                        time.sleep(float(remote.poll_seconds))  # each look starts a process over there
                elif poll.metrics:
                    continue
                elif job.state == "finished":
                    return
                elif job.state == "failed":
                    raise self._get_failure(job)
                else:
                    deaths = deaths + 1 if job.step <= best else 1
                    best = max(best, job.step)
                    if deaths > DEATHS:
                        raise self._get_failure(job)
                    say(f"it was killed over there; it goes on {_describe(job.step)}")
                    self.start()

    def _is_due(self, fetched: float) -> bool:
        return time.monotonic() - fetched >= 60.0 * float(self.session.settings.remote.checkpoint_minutes)

    def _get_step_here(self) -> int:
        if not self.task.is_training:
            return -1
        newest = find_newest(self.task.checkpoints, self.session.lease.backend)
        return get_step(newest) if newest else -1

    def _get_offsets(self) -> list[str]:
        """How much of the metrics and of the output is here already."""
        data = self.task.metrics.read_bytes() if self.task.is_training and self.task.metrics.is_file() else b""
        seen = self._get_seen()
        flags = [*self.task.get_state_flags(self.session.lease.backend), "--offset", str(len(data))]
        return [*flags, "--prefix", sha256_bytes(data), "--output-from", str(seen)]

    @property
    def _record(self) -> Path:
        return FOLDER / f"{self.task.name}.seen.json"

    def _get_seen(self) -> int:
        """Bytes of the output over there that were shown here."""
        record: JsonObject = json.loads(self._record.read_text(encoding="utf-8")) if self._record.is_file() else {}
        return int(record["output"]) if record.get("lease") == self.session.lease.started else 0

    def _take(self, poll: lines.Poll) -> None:
        """Append what came; the metrics file here is always the beginning of the one over there."""
        if poll.metrics:
            self.task.metrics.parent.mkdir(parents=True, exist_ok=True)
            have = self.task.metrics.read_bytes() if self.task.metrics.is_file() else b""
            if poll.metrics_from == len(have):
                with self.task.metrics.open("ab") as handle:
                    handle.write(poll.metrics.encode())
            else:
                self.task.metrics.write_bytes(have[: poll.metrics_from] + poll.metrics.encode())
        if poll.output:
            print(poll.output, end="", flush=True)  # into the log
            for line in poll.output.splitlines():
                if line.startswith("["):
                    say(line.partition("] ")[2])
            write_json(self._record, {"lease": self.session.lease.started, "output": poll.output_to})

    def _bring_log(self) -> None:
        """What the step and its libraries printed over there: into its log here."""
        name = self.task.get("--log")
        if name is None:
            return
        said = self._read_end(name, MOST)
        if self.task.is_training:  # each part of it has a log of its own here
            write_text(name, said)
        else:
            print(said, end="", flush=True)

    def _read_end(self, name: str, most: int) -> str:
        """The last ``most`` bytes of a file over there, however long it is; empty where there is none."""
        machine, retry = self.session.machine, self.session.retry
        try:
            size = int(retry(lambda: machine.run(["wc", "-c", name], CALL))[-1].split()[0])
        except (CommandFailed, IndexError, ValueError):  # it printed nothing
            return ""
        return retry(lambda: machine.read(name, max(0, size - most))).decode(errors="replace")

    def _get_failure(self, job: lines.Job) -> GaslampError:
        """The error of the step itself, as it printed it over there."""
        name = f".gaslamp/there/{self.task.name}/output.log"
        said = self._read_end(name, 20_000)
        self._bring_log()
        where = self.session.lease.machine
        if "No space left on device" in said:
            return RemoteError(
                "disk",
                f"the disk of {where} is full",
                f"free space in {self.session.lease.folder} there (make remote-shell), then the same command: it goes "
                "on from its newest checkpoint",
                "put remote.folder on a larger disk",
            )
        if found := read_error(said):
            return GaslampError(f"on {where}: {found[0]}", found[1], found[2])
        how = f"ended with {job.status}" if job.status is not None else "was killed"
        end = "\n".join(said.strip().splitlines()[-8:])
        return GaslampError(
            f"{self.task.script} {how} on {where}:\n{end}",
            "see the end of the log above; the same command goes on from the newest checkpoint",
            "the main memory there was full, and its kernel killed it: take a larger machine",
        )

    def bring_state(self) -> None:
        """The newest checkpoint of a training comes home, as far as there is one."""
        if self.task.is_training:
            self._bring_checkpoint(self._get_step_here())

    def _bring_checkpoint(self, at_home: int) -> int:
        """The newest checkpoint over there comes home; the older ones here are deleted. Returns its step."""
        flags = self.task.get_state_flags(self.session.lease.backend)
        try:
            packed = self.session.ask(lines.Packed, "checkpoint", *_rename_job(flags, ".checkpoint"), timeout=PACK)
            if not packed.files:
                return at_home
            arrival = self._bring(packed, [self.task.checkpoints])
            newest = find_newest(arrival.staging / self.task.checkpoints, self.session.lease.backend)
            if newest is None:
                raise GaslampError("no whole checkpoint is among the files that were sent", "run the same command")
            arrival.place()
        except ForeignFile:
            raise
        except (GaslampError, OSError) as error:
            if isinstance(error, RemoteError) and error.retry == "lease":
                raise
            say(f"the checkpoint did not come home this time: {getattr(error, 'cause', error)}")
            return at_home
        step, folder = get_step(newest), newest.relative_to(arrival.staging).parent
        for old in list_checkpoints(folder.parent):
            if old.parent == folder and get_step(old) < step:
                shutil.rmtree(old)
        say(f"checkpoint-{step} came home, {get_size(packed.size)}")
        return step

    def _bring(self, packed: lines.Packed, wanted: Sequence[Path]) -> Arrival:
        """Fetch an archive, check its hash and unpack it apart; only what lies below ``wanted`` is taken."""
        archive = FOLDER / "incoming" / f"{packed.sha256}.tar"  # no name from there is a name here

        def fetch() -> None:
            self.session.machine.get(packed.name, archive)
            if sha256_path(archive) != packed.sha256:
                archive.unlink()
                raise RemoteError("network", f"{packed.name} came with other bytes", "run the same command")

        self.session.retry(fetch)
        try:  # a folder of its own: steps may run at the same time
            return unpack(archive, archive.with_suffix(".unpacked"), wanted, packed.files)
        finally:
            archive.unlink()

    def pull(self) -> None:
        """Bring the outputs home, checked by hash; a training's metrics, facts and last checkpoint too."""
        task, session = self.task, self.session
        self.finish()
        self.bring_state()
        flags = ["--job", f"{task.name}.final", "--", *task.outputs]
        packed = session.ask(lines.Packed, "pack", *flags, timeout=PACK)
        arrival = self._bring(packed, [Path(name) for name in task.outputs])
        if missing := arrival.find_missing(task.outputs):
            raise GaslampError(f"{task.script} ended over there without {', '.join(missing)}", "run the same command")
        for name in task.outputs:
            unseal(Path(name))
        arrival.place(replaced=task.outputs)
        place = Elsewhere(profile=session.settings.backend, machine=session.lease.machine, seconds=self.find().seconds)
        if task.is_training and (facts := task.get("--facts")):  # other steps only read train.json
            record = TrainFacts.read(facts)
            record.elsewhere = place
            write_json(facts, record.model_dump())
        for name in task.outputs:
            seal(Path(name), task.script)
        log = FOLDER / "steps.jsonl"
        with log.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps({"time": now(), "step": task.name, **place.model_dump()}) + "\n")
        self._bring_log()
        say(f"FINAL: {', '.join(task.outputs)} came home, {get_size(packed.size)}")


def _rename_job(flags: list[str], end: str) -> list[str]:
    """The flags with another folder over there, so that one archive does not replace the other."""
    return [f"{flag}{end}" if before == "--job" else flag for before, flag in zip(["", *flags], flags, strict=False)]


def _describe(step: int) -> str:
    return f"from checkpoint-{step}" if step >= 0 else "from its beginning"
