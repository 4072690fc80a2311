"""What a browser sends and gets: fields of a form, redirects, errors as JSON."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from gaslamp.core.errors import GaslampError
from gaslamp.interfaces.studio.render import render

MOST_FORM = 200_000  # bytes


class Fields(dict[str, list[str]]):
    """The fields of a form: name -> its values."""

    def one(self, name: str) -> str:
        """The last value of a field; empty without one."""
        return (self.get(name) or [""])[-1]


async def read_form(request: Request) -> Fields:
    """The fields of a form as browsers send it (application/x-www-form-urlencoded).

    Raises:
        GaslampError: it is larger than any form of the studio.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_FORM:
            raise GaslampError("the form is too large", "send less text")
    fields = Fields()
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        fields.setdefault(name, []).append(value)
    return fields


def show(template: str, status: int = 200, /, **facts: object) -> Response:
    """A page."""
    return HTMLResponse(render(template, **facts), status)


def go(path: str) -> Response:
    """On to another page, after a form: a reload does not send it again."""
    return RedirectResponse(path, status_code=303)


def say(error: GaslampError, status: int = 422) -> Response:
    """An error for a script of the page: it stands next to the field."""
    return JSONResponse({"problem": to_parts(error)}, status)


def to_parts(error: GaslampError) -> dict[str, str]:
    """Cause, usual fix, less likely fix."""
    return {"cause": error.cause, "fix": error.fix, "less_likely": error.less_likely or ""}
