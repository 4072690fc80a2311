"""The pages of `make label` and `make review` inside the studio, under the address of the project."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from gaslamp.core.errors import GaslampError
from gaslamp.data.generation.facts import CANDIDATES
from gaslamp.data.review.desk import Desk
from gaslamp.interfaces.label.desks import open_label_desk, open_review_desk
from gaslamp.interfaces.label.server import get_app
from gaslamp.interfaces.studio.forms import show
from gaslamp.interfaces.studio.place import Place

READS = ("config.yaml", "data/card.json", "data/test.jsonl", CANDIDATES)
"""Files from which a desk is laid out; a change lays it out again when its page is opened."""


class Desks:
    """An application for ``/project/{name}/label/...`` or ``.../review/...``."""

    def __init__(self, place: Place, kind: str) -> None:
        """Nothing is open yet; ``kind``: label or review."""
        self.place = place
        self.kind = kind
        self._apps: dict[Path, tuple[str, Starlette]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request to the desk of its project."""
        root = self.place.find(scope["path_params"]["name"])
        if root is None:
            await PlainTextResponse("no such project\n", 404)(scope, receive, send)
            return
        try:
            app = await asyncio.to_thread(self._get_app, root)
        except GaslampError as error:
            await show("problem.html.j2", 422, problem=error, here="")(scope, receive, send)
            return
        await app(scope, receive, send)

    def _get_app(self, root: Path) -> Starlette:
        files = (root / name for name in READS)
        state = " ".join(str(file.stat().st_mtime_ns) if file.is_file() else "-" for file in files)
        known = self._apps.get(root)
        if known is None or known[0] != state:
            desk: Desk = open_label_desk(root) if self.kind == "label" else open_review_desk(root)
            known = self._apps[root] = (state, get_app(desk))
        return known[1]
