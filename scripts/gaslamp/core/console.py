"""What a person at the terminal sees: one short line for each piece of progress, everything else in the log file."""

from __future__ import annotations

import argparse
import errno
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

from gaslamp.core import progress_file
from gaslamp.core.errors import GaslampError, Interrupted
from gaslamp.core.liveness import PROGRESS, get_node
from gaslamp.core.places import localize, unwrap
from gaslamp.core.seals import require_intact, seal, unseal
from gaslamp.core.visible import show_controls

PHASES = Path("logs") / "phases.jsonl"

_terminal: TextIO = sys.stdout
_step = "gaslamp"


def say(text: str) -> None:
    """Print one progress line, marked with the step it belongs to.

    When whoever read the lines is gone (``snakemake | head``, a closed terminal), the step goes on without: it saves
    its work, and its log and events have everything.
    """
    global _terminal
    line = localize(show_controls(f"[{_step}] {text}"))
    if place := os.environ.get(PROGRESS):
        progress_file.write_line(Path(place), line)
    try:
        print(line, file=_terminal, flush=True)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        _terminal = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the process ends


def get_duration(seconds: float) -> str:
    """``75.2`` -> ``1 min 15 s``; below ten seconds one decimal."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def get_size(size: float) -> str:
    """Bytes as ``105 MB`` (decimal units, as file managers and model hubs show them)."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


SETTLED = 20.0
"""Seconds after which a mean pace says how much is left: the first answers load what later ones find loaded."""


class Progress:
    """A progress line at most every ``every`` seconds, with what is done and an estimate of what is left.

    ``in_percent``: the numbers are percentages, of a total of 100.
    """

    def __init__(self, what: str, total: int, every: float = 10.0, in_percent: bool = False) -> None:
        self.what, self.total, self.every, self.in_percent = what, total, every, in_percent
        self.started = self.last = time.monotonic()
        self.first_done: int | None = None

    def update(self, done: int, extra: str = "", remaining: float | None = None) -> None:
        """Report that ``done`` of ``total`` are finished; prints only when it is time or the work is complete.

        ``remaining``: seconds that are left, where the caller knows better than the mean pace so far.
        """
        now = time.monotonic()
        if (
            self.first_done is None
        ):  # the pace counts from here: neither start-up nor work before a resume belongs to it
            self.first_done, self.started = done, now
        if done < self.total and now - self.last < self.every:
            return
        self.last = now
        pace = (done - self.first_done) / max(now - self.started, 1e-9)
        if remaining is None and pace > 0 and (now - self.started >= SETTLED or 10 * done >= self.total):
            remaining = (self.total - done) / pace
        left = f", {get_duration(remaining)} left" if remaining is not None and done < self.total else ""
        how_far = f"{done} %" if self.in_percent else f"{done} of {self.total}"
        say(f"{self.what} {how_far}{left}{', ' + extra if extra else ''}")


@contextmanager
def step(
    log: str | Path | None = None,
    redirect: bool = True,
    files: argparse.Namespace | None = None,
    writes: Sequence[str] = ("out",),
) -> Iterator[None]:
    """Run one step of the workflow; its name is the stem of its log, or of the script when there is no log.

    ``say`` reaches the terminal, all other output (of libraries and child processes) goes to ``log``. The redirection
    is done on the file descriptors, so that native code is caught too. An unexpected exception leaves its traceback in
    the log and one readable error on the terminal.

    Args:
        log: the log file of the rule, such as ``logs/main/evaluate_model_tuned.log``.
        redirect: ``False`` when the step hands ``log`` to other programs, which write it themselves.
        files: the parsed arguments. Every path among them is checked against its seal (core/seals.py) before the step
            begins: a damaged file goes no further.
        writes: the arguments that the step writes; what is there when it ends gets a seal.

    Raises:
        GaslampError: in place of any unexpected exception of the step.
    """
    global _step
    _step = get_step_name(log)
    with _recorded(_step, log), _sealed(_step, files, writes):
        if log is None:
            yield
        elif redirect:
            with redirected(log):
                yield
        else:
            with _explained(Path(log)):
                yield


@contextmanager
def _sealed(name: str, files: argparse.Namespace | None, writes: Sequence[str]) -> Iterator[None]:
    """Check what the step reads, and seal what it wrote once it ended well."""
    given = {} if files is None else {key: _get_paths(value) for key, value in vars(files).items()}
    require_intact(path for key, paths in given.items() if key not in (*writes, "log") for path in paths)
    written = [path for key in writes for path in given.get(key, [])]
    for path in written:
        unseal(path)
    yield
    for path in written:
        seal(path, name)


def _get_paths(value: object) -> list[Path]:
    """The paths in the value of an option."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, Path)]


def get_step_name(log: str | Path | None) -> str:
    """``logs/main/train_model.log`` -> ``train_model``; without a log the name of the script."""
    return (Path(log).name if log else Path(sys.argv[0]).name).removesuffix(".log").removesuffix(".py")


@contextmanager
def _recorded(name: str, log: str | Path | None) -> Iterator[None]:
    """Write the step's start and end to logs/phases.jsonl, which progress_log.md and the dashboards are made from.

    A start without an end whose process is gone is a kill.
    """
    started = time.monotonic()
    _record({"step": name, "event": "start", "log": str(log) if log else None, **get_node()})
    status, problem, more = "ok", None, dict[str, object]()
    try:
        yield
    except (KeyboardInterrupt, Interrupted) as error:
        status = "interrupted"
        problem = error.cause if isinstance(error, Interrupted) else None
        raise
    except BaseException as error:
        status = "failed"
        problem = error.cause if isinstance(error, GaslampError) else f"{type(error).__name__}: {error}"
        if isinstance(error, GaslampError):
            fixes = [fix for fix in (error.fix, error.less_likely) if fix]
            more = {"fixes": fixes, "settings": error.settings, "allows": error.allows}
        raise
    finally:
        usage = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes on macOS, kibibytes elsewhere
        end = {"step": name, "event": "end", "status": status, "seconds": round(time.monotonic() - started, 2)}
        known = {key: value for key, value in more.items() if value}
        _record({**end, "error": problem, **known, "peak_memory_gb": round(max(usage) * unit / 1e9, 3)})


def _record(event: dict[str, object]) -> None:
    if PHASES.parent.is_dir():  # a project; not a test or a call by hand
        line = {"time": datetime.now().astimezone().isoformat(timespec="seconds"), "pid": os.getpid(), **event}
        with PHASES.open("a", encoding="utf-8") as handle:  # one write of one line: parallel steps do not mix
            handle.write(json.dumps(line, ensure_ascii=False) + "\n")


@contextmanager
def _explained(log: Path) -> Iterator[None]:
    """Append an error of the step to ``log``; an unexpected one becomes a GaslampError that names the log."""

    def append(text: str) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as handle:
            handle.write(text.rstrip() + "\n")

    try:
        yield
    except GaslampError as error:
        append(str(error))
        raise
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        append(traceback.format_exc())
        raise _get_error(log, error) from error


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _get_error(log: str | Path, error: BaseException) -> GaslampError:
    if isinstance(error, OSError) and error.errno in FULL:
        place = f" at {error.filename}" if error.filename else ""
        return GaslampError(
            f"step {get_step_name(log)} stopped: {error.strerror}{place}",
            "free disk space (df -h . shows how much there is), then run the same command",
            "a quota or limit of your account, and not the disk, is used up: quota -s, ulimit -f",
        )
    return GaslampError(
        f"step {get_step_name(log)} failed: {type(error).__name__}: {str(error).strip()[:500]}",
        f"read the end of {log}: it has the traceback",
        "a bug in gaslamp: please report it with that log",
    )


@contextmanager
def redirected(log: str | Path) -> Iterator[None]:
    """The output half of ``step``, without an entry in logs/phases.jsonl."""
    global _terminal
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    streams, terminal = (sys.stdout, sys.stderr), _terminal
    sys.stdout, sys.stderr = unwrap(sys.stdout), unwrap(sys.stderr)  # a log keeps paths relative to the project
    terminal_out, terminal_err = os.dup(1), os.dup(2)
    _terminal = os.fdopen(os.dup(terminal_out), "w", buffering=1, encoding="utf-8", errors="replace")
    descriptor = os.open(str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    try:
        yield
    except GaslampError as error:
        print(error, file=sys.stderr)
        raise
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        traceback.print_exc()
        raise _get_error(log, error) from error
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(terminal_out, 1)
        os.dup2(terminal_err, 2)
        os.close(terminal_out)
        os.close(terminal_err)
        sys.stdout, sys.stderr = streams
        _terminal = terminal
