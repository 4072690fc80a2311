"""Files that give vectors instead of answers, through llama-server: an encoder's texts are ranked, a reward model's answers scored.

A reward model is its language model without the last layer, and a head: one weight for each number of the vector of the last
token. llama.cpp computes such a head for no architecture that is trained here (its ``rank`` pooling ends Qwen3 in a softmax, and
is not there for Llama, Gemma ...), so the file holds the model, ``head.json`` beside it the head, and the score is their product.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gaslamp.core.console import Progress
from gaslamp.core.files import read_json, read_jsonl, sha256_path, sha256_text, write_jsonl
from gaslamp.data.rows import Message, Row, get_text
from gaslamp.evaluate.partial_results import PartialResults
from gaslamp.evaluate.retrieval import rank
from gaslamp.export.llamacpp.convert import read_gguf_facts
from gaslamp.export.llamacpp.server import LlamaServer
from gaslamp.train.method import get_artefact, get_pooling

TURN_TOKENS = 32  # room for what a template writes around a turn
TOGETHER = 16  # texts in a request


def measure_gguf(
    settings: Any, gguf: Path, toolchain: dict[str, Any], test: Path, out: Path, log: Path, head: Path | None
) -> None:
    """Rank the pairs, or score the answers, of every test row, and write one prediction a line.

    Args:
        settings: slice with method and train.max_length.
        gguf: the file to ask.
        toolchain: contents of toolchain.json.
        test: data/test.jsonl.
        out: predictions file; scores of a killed run are kept beside it.
        log: what llama-server prints.
        head: head.json of a reward model.
    """
    rows = list(
        read_jsonl(test)
    )  # all, also of a long set: a rank says something among all partners only, and a vector is cheap
    state = gguf.stat()
    key = sha256_text(f"{state.st_size} {state.st_mtime_ns} {sha256_path(test)} {settings.train.max_length}")[:12]
    started = time.monotonic()
    with PartialResults(out, key) as finished, serve(settings, gguf, toolchain, rows, log) as server:
        if get_artefact(settings.method) == "encoder":
            for row_id, value in rank(rows, lambda texts: embed(server, texts, settings.train.max_length)):
                finished.add(("retrieval", row_id), value)
        else:
            waiting = [talk for talk in get_conversations(rows) if ("score", *talk[:2]) not in finished.known]
            for (row_id, name, _, _), score in zip(
                waiting, score_conversations(server, waiting, read_head(head), get_limit(gguf)), strict=True
            ):
                finished.add(("score", row_id, name), {"score": score})
        each = (time.monotonic() - started) / len(rows)
        write_jsonl(out, [{**prediction, "seconds": round(each, 4)} for prediction in finished.merge(rows, [])])


def serve(settings: Any, gguf: Path, toolchain: dict[str, Any], rows: list[Row], log: Path) -> LlamaServer:
    """A server that gives vectors, with room for the longest text of some rows."""
    if get_artefact(settings.method) == "encoder":
        longest = settings.train.max_length
    else:
        longest = max(
            sum(len(get_text(turn)) + TURN_TOKENS for turn in messages) for _, _, messages, _ in get_conversations(rows)
        )
    context = min(256 * math.ceil(longest / 256), get_limit(gguf))
    return LlamaServer(toolchain, gguf, context=context, pooling=get_pooling(settings.method), log=log)


def get_limit(gguf: Path) -> int:
    """Tokens that the model of a file was made for."""
    return int(read_gguf_facts(gguf)["context_length"] or 1_000_000)


Talk = tuple[str, str, list[Message], Any]
"""Row id, which of its answers, the whole conversation, tools."""


def get_conversations(rows: list[Row]) -> list[Talk]:
    """Chosen and rejected of each row, as the conversation that is scored."""
    return [
        (row["id"], side, [*row["prompt"], *row[side]], row.get("tools"))
        for row in rows
        for side in ("chosen", "rejected")
    ]


def get_texts(rows: list[Row]) -> list[str]:
    """The texts that an encoder is asked for, each once."""
    return list(
        dict.fromkeys(row[name] for row in rows for name in ("anchor", "positive", "negative") if row.get(name))
    )


def embed(server: LlamaServer, texts: list[str], max_length: int) -> Any:
    """Vectors of length 1, (texts, size); of each text the first ``max_length`` tokens are read."""
    import numpy

    found = numpy.array(
        list(_embed_ids(server, [server.tokenize(text, add_special=True)[:max_length] for text in texts]))
    )
    return found / numpy.linalg.norm(found, axis=1, keepdims=True)


def score_conversations(server: LlamaServer, talks: list[Talk], head: Any, limit: int) -> Iterator[float]:
    """What a reward model gives each conversation, rendered by the template in the file; one that is too long loses its start."""
    texts = [
        server.tokenize(server.apply_template(messages, tools, generate=False), add_special=True)[-limit:]
        for _, _, messages, tools in talks
    ]
    for vector in _embed_ids(server, texts):
        yield float(head @ vector)


def _embed_ids(server: LlamaServer, texts: list[list[int]]) -> Iterator[Any]:
    import numpy

    progress = Progress("read", len(texts))
    progress.update(0)
    for start in range(0, len(texts), TOGETHER):
        for vector in server.embed(texts[start : start + TOGETHER]):
            yield numpy.array(vector)
        progress.update(min(start + TOGETHER, len(texts)))


def read_head(file: Path | None) -> Any:
    """The weights of head.json, (size,)."""
    import numpy

    assert file is not None, "a reward model has a head"
    return numpy.array(read_json(file)["weight"])
