"""Evaluate a GGUF file that returns vectors: an encoder's texts are ranked, a reward model's answers scored.

A reward model is a language model without its last layer, and a head: one weight for each number of the last token's
vector. llama.cpp computes such a head for no architecture that is trained here (its ``rank`` pooling ends Qwen3 in a
softmax, and does not exist for Llama, Gemma ...). So the GGUF file holds the model, the companion file ``head.json``
the head, and the score is their product.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gaslamp.config.methods import get_artefact, get_pooling
from gaslamp.config.slices import Slice
from gaslamp.core.console import Progress
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import read_json, read_jsonl, sha256_path, sha256_text, write_jsonl
from gaslamp.data.rows import Message, Row, get_text
from gaslamp.evaluate.partial_results import PartialResults
from gaslamp.evaluate.retrieval import rank
from gaslamp.export.llamacpp.client import LlamaClient
from gaslamp.export.llamacpp.gguf_facts import read_gguf_facts
from gaslamp.export.llamacpp.server import LlamaServer
from gaslamp.export.llamacpp.toolchain import Toolchain

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Vectors = NDArray[numpy.float64]

TURN_TOKENS = 32  # room for what a template writes around a turn
BATCH = 16  # texts in a request


class ScoredConversation(NamedTuple):
    """A conversation whose last turn a reward model scores."""

    row_id: str
    side: str  # chosen or rejected
    messages: list[Message]
    tools: list[dict[str, Any]] | None


def evaluate_vectors(
    settings: Slice, gguf: Path, toolchain: Toolchain, test: Path, out: Path, log: Path, head: Path | None
) -> None:
    """Rank the pairs, or score the answers, of every test row, and write one prediction a line.

    Args:
        settings: slice with method and train.max_length.
        gguf: the file.
        toolchain: contents of toolchain.json.
        test: data/test.jsonl.
        out: predictions file; scores of a killed run are kept next to it and reused.
        log: receives what llama-server prints.
        head: head.json of a reward model.
    """
    # all rows, also of a long set: a rank is meaningful among all partners only, and a vector is cheap
    rows = list(read_jsonl(test))
    state = gguf.stat()
    key = sha256_text(f"{state.st_size} {state.st_mtime_ns} {sha256_path(test)} {settings.train.max_length}")[:12]
    started = time.monotonic()
    with PartialResults(out, key) as results, serve(settings, gguf, toolchain, rows, log) as server:
        if get_artefact(settings.method) == "encoder":
            for row_id, value in rank(rows, lambda texts: embed(server, texts, settings.train.max_length)):
                results.add(("retrieval", row_id), value)
        else:
            conversations = get_conversations(rows)
            waiting = [each for each in conversations if ("score", each.row_id, each.side) not in results.known]
            scores = score_conversations(server, waiting, read_head(head), get_context_length(gguf))
            for conversation, score in zip(waiting, scores, strict=True):
                results.add(("score", conversation.row_id, conversation.side), {"score": score})
        seconds = round((time.monotonic() - started) / len(rows), 4)
        write_jsonl(out, [{**prediction, "seconds": seconds} for prediction in results.merge(rows, [])])


def serve(settings: Slice, gguf: Path, toolchain: Toolchain, rows: list[Row], log: Path) -> LlamaServer:
    """A server that returns vectors, with a context for the longest text of ``rows``."""
    if get_artefact(settings.method) == "encoder":
        longest = settings.train.max_length
    else:
        longest = max(
            sum(len(get_text(turn)) + TURN_TOKENS for turn in each.messages) for each in get_conversations(rows)
        )
    context = min(256 * math.ceil(longest / 256), get_context_length(gguf))
    return LlamaServer(toolchain, gguf, context=context, pooling=get_pooling(settings.method), log=log)


def get_context_length(gguf: Path) -> int:
    """The context length in tokens that the model of a GGUF file was made for."""
    return int(read_gguf_facts(gguf)["context_length"] or 1_000_000)


def get_conversations(rows: list[Row]) -> list[ScoredConversation]:
    """The conversations with the chosen and with the rejected answer of each row."""
    return [
        ScoredConversation(row["id"], side, [*row["prompt"], *row[side]], row.get("tools"))
        for row in rows
        for side in ("chosen", "rejected")
    ]


def get_texts(rows: list[Row]) -> list[str]:
    """The texts of pair rows, each once."""
    return list(
        dict.fromkeys(row[name] for row in rows for name in ("anchor", "positive", "negative") if row.get(name))
    )


def embed(server: LlamaClient, texts: list[str], max_length: int) -> Vectors:
    """Normalized vectors, (texts, size), of the first ``max_length`` tokens of each text.

    Special tokens count; one that ends every text ([SEP]) also ends a cut one, as in sentence-transformers.
    """
    import numpy

    bare, whole = (server.tokenize("a", add_special=special) for special in (False, True))
    end = whole[len(whole) - whole[::-1].index(bare[-1]) :]
    tokens = [server.tokenize(text, add_special=True) for text in texts]
    tokens = [ids if len(ids) <= max_length else ids[: max_length - len(end)] + end for ids in tokens]
    found: Vectors = numpy.array(list(_embed_tokens(server, tokens)))
    normalized: Vectors = found / numpy.linalg.norm(found, axis=1, keepdims=True)
    return normalized


def score_conversations(
    server: LlamaClient, conversations: list[ScoredConversation], head: Vectors, context: int
) -> Iterator[float]:
    """Yield a reward model's score of each conversation, rendered by the chat template in the file.

    Args:
        server: returns the vector of the last token.
        conversations: to be scored.
        head: weights, (size,).
        context: most tokens; a longer conversation loses its start.
    """
    tokens = [
        server.tokenize(server.apply_template(each.messages, each.tools, generate=False), add_special=True)[-context:]
        for each in conversations
    ]
    for vector in _embed_tokens(server, tokens):
        yield float(head @ vector)


def _embed_tokens(server: LlamaClient, texts: list[list[int]]) -> Iterator[Vectors]:
    import numpy

    progress = Progress("text", len(texts))
    progress.update(0)
    for start in range(0, len(texts), BATCH):
        for vector in server.embed(texts[start : start + BATCH]):
            yield numpy.array(vector)
        progress.update(min(start + BATCH, len(texts)))


def read_head(file: Path | None) -> Vectors:
    """The weights of a reward model's head.json, (size,).

    Raises:
        GaslampError: there is no such file.
    """
    import numpy

    if file is None or not file.is_file():
        raise GaslampError(
            f"a reward model needs its head, and {file or 'head.json'} is missing",
            "run snakemake again: it rebuilds what is missing",
        )
    return numpy.array(read_json(file)["weight"])
