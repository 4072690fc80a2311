"""An exception that no page expects becomes an error with a fix where the browser waits, never a bare status 500."""

from __future__ import annotations

import sys
import traceback

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gaslamp.core.errors import GaslampError
from gaslamp.guide.run_plan_show import WHY, show_seconds
from gaslamp.interfaces.studio.forms import say, show

SCRIPTED = ("/check", "/upload", "/state")
"""Ends of addresses whose answers a script reads as JSON."""


class Failures:
    """Answers with the error; its traceback goes to the terminal of `make studio`."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap ``app``."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; what breaks after the answer has begun can only be printed."""
        has_begun = False

        async def watch(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:
            if scope["type"] != "http":
                raise
            traceback.print_exc(file=sys.stderr)
            if has_begun:
                return
            await get_answer(scope["path"], explain(error))(scope, receive, send)


def explain(error: Exception) -> GaslampError:
    """What a person can do about an exception that nobody expected."""
    if isinstance(error, GaslampError):
        return error
    return GaslampError(
        f"the studio could not do this: {type(error).__name__}: {str(error)[:300]}",
        "go back and do it once more; at a terminal make does the same, and says more",
        "a bug of gaslamp: report it with what make studio printed",
    )


def get_answer(path: str, error: GaslampError) -> Response:
    """The error in the form that the address has: JSON for a script, a part of a page, or a page."""
    if path.endswith(SCRIPTED):
        return say(error, 500)
    if path.endswith("/plan"):
        return show("part_plan.html.j2", 500, plan=None, error=error, why=WHY, seconds=show_seconds)
    return show("problem.html.j2", 500, problem=error, here="")
