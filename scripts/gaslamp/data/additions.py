"""Rows that come on top of the source: general chat data for training, conversations kept by hand for the test."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_jsonl, sha256_text
from gaslamp.data.rows import adapt
from gaslamp.data.spool import Spool
from gaslamp.models.template import Renderer

REHEARSAL = Path(__file__).parent / "embedded" / "rehearsal.jsonl"


def add_kept(spool: Spool, file: Path, kind: str) -> int:
    """Append conversations that were kept by hand to the test rows, before the checks that look for leaks.

    Raises:
        GaslampError: rows of this kind cannot be made from a conversation.
    """
    import orjson

    count = 0
    for number, row in enumerate(read_jsonl(file), 1):
        line = {
            "id": f"kept-{sha256_text(str(row['messages']))[:12]}",
            "messages": row["messages"],
            "slice": row.get("slice", "kept by hand"),
        }
        try:
            spool.append("test", orjson.dumps(adapt(line, kind)) + b"\n", f"{file}, line", number)
        except ValueError as error:
            raise GaslampError(
                f"{file}, line {number}: {error}", f"move {file} away: what was kept by hand serves another method"
            ) from error
        count += 1
    return count


def add_rehearsal(spool: Spool, renderer: Renderer, count: int, max_length: int) -> int:
    """Append up to ``count`` of the shipped general rows to training; those that are too long for ``max_length`` are no
    reason to stop.

    Measured on the embedded task: without them the tuned model answered 4 of 40 general questions (base: 22) and put
    most answers into JSON; with 5 % of them it answered 20 to 24, at the same score on the task.
    """
    import orjson

    added = 0
    for number, row in enumerate(islice(read_jsonl(REHEARSAL), count), 1):
        if len(renderer.encode(row["messages"]).ids) <= max_length:
            spool.append(
                "train",
                orjson.dumps({"id": f"rehearsal-{number}", "messages": row["messages"]}) + b"\n",
                "rehearsal, row",
                number,
            )
            added += 1
    return added
