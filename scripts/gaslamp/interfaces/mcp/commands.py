"""Tools run the project's own scripts with `--json`: an agent gets what a person gets, and no logic lives twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from gaslamp.core.document import Document, ErrorDocument
from gaslamp.core.places import PREFIX, PROJECT
from gaslamp.core.redaction import redact

LONGEST = 900.0  # seconds of one command; a run is started in the background and takes none of them

_Document = TypeVar("_Document", bound=Document)


class CommandFailed(Exception):
    """A command ended with an error document instead of its own."""

    def __init__(self, document: ErrorDocument) -> None:
        super().__init__(document.model_dump_json())
        self.document = document


async def call(project: Path, script: str, contract: type[_Document], options: Sequence[str] = ()) -> _Document:
    """Run a script of the project and read its document. Cancelled, it ends with the process.

    Args:
        project: the folder that it runs in.
        script: of scripts/, with its subcommand.
        contract: what it answers with.
        options: further arguments; a value belongs to its option (``--run=b``), so that none becomes an option.

    Raises:
        CommandFailed: it failed, or took too long.
    """
    import anyio

    name, *action = script.split()
    command = [sys.executable, str(Path("scripts") / name), *action, "--json", *options]
    environ = {key: value for key, value in os.environ.items() if key not in (PREFIX, PROJECT)}
    try:
        with anyio.fail_after(LONGEST):
            done = await anyio.run_process(
                command,
                cwd=project,
                stdin=subprocess.DEVNULL,
                env={**environ, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
                check=False,
            )
    except TimeoutError as error:
        raise fail(f"{script} took longer than {LONGEST:.0f} s", "run it in a terminal") from error
    except (ValueError, OSError) as error:  # NUL, half of a character, more text than a command line carries
        raise fail(
            f"{script} cannot be called with this argument: {error}", "take plain text, and less of it"
        ) from error
    text = done.stdout.decode("utf-8", errors="replace")
    try:
        return contract.model_validate_json(text)
    except ValidationError:
        pass
    try:
        document = ErrorDocument.model_validate_json(text)
    except ValidationError as error:
        last = " ".join(done.stderr.decode("utf-8", errors="replace").split())[-500:]
        raise fail(f"{script} ended with {done.returncode} and no document: {last}", "make doctor") from error
    document.error = redact(document.error)
    raise CommandFailed(document)


def fail(cause: str, fix: str, where: str | None = None) -> CommandFailed:
    """An error of this server as that of a command; ``where``: the argument."""
    return CommandFailed(ErrorDocument(error=redact(cause), fixes=[fix], where=where))
