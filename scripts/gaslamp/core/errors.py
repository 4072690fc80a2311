"""The one error that a user sees, and the wrapper that every script's ``main`` runs in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from gaslamp.core.interrupts import catch, raise_interrupt
from gaslamp.core.json_form import find_place, is_wanted, open_channel, put_error
from gaslamp.core.places import PREFIX, LocalizedStream, localize
from gaslamp.core.visible import show_controls

INTERRUPTED = "interrupted: run the same command again, finished steps are kept"

IN_WORKFLOW = "GASLAMP_IN_WORKFLOW"
"""Set in the steps that Snakemake starts: what a stopped step has kept is said once, for all of them, at the end."""


class GaslampError(Exception):
    """A problem that the user can fix: what happened, the usual fix, then the less likely one.

    Args:
        cause: what is wrong, with file, line or row where there is one.
        fix: what fixes it most of the time.
        less_likely: what else it may be, or ``None``.
        code: exit code of the process, 1 to 125.
        settings: config keys whose values avoid the problem (``{"train.batch_size": 1}``), which the memory keeps for
            the next project; ``None`` where no setting does.
        allows: config keys whose values let the problem pass (rows that are left out); only a person decides that.
    """

    def __init__(
        self,
        cause: str,
        fix: str,
        less_likely: str | None = None,
        code: int = 1,
        settings: Mapping[str, object] | None = None,
        allows: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.fix = fix
        self.less_likely = less_likely
        self.code = code
        self.settings = dict(settings or {})
        self.allows = dict(allows or {})

    def __str__(self) -> str:
        lines = [f"error: {self.cause}", f"  usual fix:       {self.fix}"]
        if self.less_likely:
            lines.append(f"  less likely fix: {self.less_likely}")
        return show_controls("\n".join(lines))


class Interrupted(GaslampError):
    """The user (or the end of Snakemake) stopped a step that saved its work first; exit code 130."""

    def __init__(self, cause: str, fix: str) -> None:
        super().__init__(cause, fix, code=130)


def exit_with_help(main: Callable[[], int | None]) -> None:
    """Run a script's ``main`` and end the process with its exit code.

    A GaslampError becomes its text and exit code, anything else keeps its traceback. SIGTERM and a closed terminal are
    what Ctrl-C is. With ``--json`` either is one
    JSON document too, with the same exit code. Paths are printed as they work where the command was typed
    (core/places.py).
    """
    catch(raise_interrupt)
    is_json = is_wanted(sys.argv[1:])
    if is_json:
        open_channel()
    if os.environ.get(PREFIX):
        sys.stdout, sys.stderr = LocalizedStream(sys.stdout), LocalizedStream(sys.stderr)  # type: ignore[assignment]
    try:
        sys.exit(main() or 0)
    except GaslampError as error:
        if not (isinstance(error, Interrupted) and os.environ.get(IN_WORKFLOW)):
            print(error, file=sys.stderr, flush=True)
        if is_json:
            fixes = [localize(fix) for fix in (error.fix, error.less_likely) if fix]
            put_error(localize(error.cause), fixes, find_place(localize(error.cause)))
        sys.exit(error.code)
    except KeyboardInterrupt:
        if not os.environ.get(IN_WORKFLOW):
            print(INTERRUPTED, file=sys.stderr, flush=True)
        if is_json:
            put_error("interrupted", ["run the same command again, finished steps are kept"])
        sys.exit(130)
    except Exception as error:
        if is_json:
            put_error(
                f"{type(error).__name__}: {error}",
                ["a bug: report it with the traceback on the standard error"],
            )
        raise
