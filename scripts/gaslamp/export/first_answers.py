"""How a served model compares with the evaluation on a few test rows: a check of seconds, not a score."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from gaslamp.core.files import JsonObject, read_jsonl
from gaslamp.data.rows import get_images, get_prompt

TOKENS = 16
"""Tokens of each answer that are compared."""

Agreement = dict[str, int]
"""``rows`` that were prompted, ``compared``: their answers or tokens, ``same``: of them, those of the evaluation."""
Post = Callable[[str, JsonObject, float], JsonObject]
"""Path, body and seconds of a request to llama-server -> its decoded answer; TimeoutError when it takes longer."""


def compare_beginnings(
    post: Post, fields: JsonObject, test: Path, predictions: Path, rows: int, seconds: float
) -> Agreement:
    """Count the greedy answers that begin as the evaluated ones: for the file that was evaluated itself.

    Args:
        post: sends a request to the server.
        fields: of every request.
        test: data/test.jsonl; rows with images are left out.
        predictions: of the evaluation.
        rows: most rows to prompt, from the first on.
        seconds: after which no further request is sent.
    """
    found = {"rows": 0, "compared": 0, "same": 0}
    for row, wanted, left in _get_rows(test, predictions, "text", rows, seconds):
        body = {"messages": get_prompt(row), "max_tokens": TOKENS, "temperature": 0, **fields}
        try:
            choice = post("/v1/chat/completions", body, left)["choices"][0]
        except TimeoutError:
            break  # a slow machine: the rows so far are reported
        text = choice["message"].get("content") or ""
        found["rows"] += 1
        found["compared"] += 1
        found["same"] += begins_alike(text, wanted, choice["finish_reason"] == "stop")
    return found


def compare_tokens(
    post: Post, fields: JsonObject, test: Path, predictions: Path, rows: int, seconds: float
) -> Agreement:
    """Count the tokens of the evaluated answers that the server finds most likely too, each after the ones before it.

    For a file at another precision than the evaluated model: one close decision that falls the other way changes the
    rest of a written answer, but only one token here. The arguments are those of ``compare_beginnings``.
    """
    found = {"rows": 0, "compared": 0, "same": 0}
    end = time.monotonic() + seconds

    def send(path: str, body: JsonObject) -> Any:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return post(path, body, left)

    for row, wanted, _ in _get_rows(test, predictions, "ids", rows, seconds):
        body: JsonObject = {"messages": get_prompt(row)} | ({"tools": row["tools"]} if row.get("tools") else {})
        try:
            text = send("/apply-template", body)["prompt"]
            body = {"content": text, "add_special": True, "parse_special": True}
            prompt = send("/tokenize", body)["tokens"]
            same = 0
            for at, token in enumerate(wanted[:TOKENS]):
                body = {"prompt": prompt + wanted[:at], "n_predict": 1, "temperature": 0, "return_tokens": True}
                body |= {"cache_prompt": True, **fields}
                answer = send("/completion", body)
                same += answer["tokens"][:1] == [token]
        except TimeoutError:
            break
        found["rows"] += 1
        found["compared"] += len(wanted[:TOKENS])
        found["same"] += same
    return found


def _get_rows(
    test: Path, predictions: Path, key: str, rows: int, seconds: float
) -> Iterator[tuple[JsonObject, Any, float]]:
    """The first test rows without images that have an evaluated answer, with it, and the seconds that are left."""
    end = time.monotonic() + seconds
    answered = read_jsonl(predictions) if predictions.is_file() else iter(())
    wanted = {row["id"]: row[key] for row in answered if row.get(key)}
    for row in islice(read_jsonl(test), rows):
        left = end - time.monotonic()
        if left < 0.5:
            return
        if row["id"] in wanted and not get_images(get_prompt(row)):
            yield row, wanted[row["id"]], left


def begins_alike(text: str, wanted: str, is_whole: bool) -> bool:
    """Whether an answer (``is_whole``, or cut at the token limit) equals the evaluated one as far as both go."""
    # without the half of a character at the end of the tokens
    text, wanted = text.removesuffix("\ufffd"), wanted.removesuffix("\ufffd")
    shared = min(len(text), len(wanted))
    return shared > 0 and text[:shared] == wanted[:shared] and not (is_whole and len(text) < len(wanted))
