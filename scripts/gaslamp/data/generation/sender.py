"""Sends requests within the limits; every reply is on disk before it is used, and none is requested twice."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

from gaslamp.config.slices import Slice
from gaslamp.core.artefact import now
from gaslamp.core.console import say
from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject, read_jsonl, sha256_text, write_jsonl
from gaslamp.data.rows import Message
from gaslamp.models.endpoint import EndpointClient, EndpointError, replace_halves

LETTERS = 4
"""Letters of a token, where a server does not count: an estimate."""


class LimitReached(Exception):
    """The next request would pass a limit of data.generate.limits; says which."""


@dataclass
class Spent:
    """Requests, tokens and dollars so far."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False  # a server did not count its tokens

    def get_cost(self, price: Slice) -> float:
        """US dollars, by the section data.generate.price."""
        return float(self.prompt_tokens * price.input + self.completion_tokens * price.output) / 1e6

    def add(self, line: JsonObject) -> None:
        """Count a reply."""
        self.requests += 1
        self.prompt_tokens += line["prompt_tokens"]
        self.completion_tokens += line["completion_tokens"]
        self.estimated |= line["estimated"]


@dataclass
class Sender:
    """Requests to one or two servers.

    Attributes:
        file: the replies so far, one a line.
        limits, price: sections of data.generate.
        spent: by this set of rows, kept replies included.
        fresh: by this process alone.
    """

    file: Path
    limits: Slice
    price: Slice
    spent: Spent = field(default_factory=Spent)
    fresh: Spent = field(default_factory=Spent)

    def __post_init__(self) -> None:
        self._known: dict[str, JsonObject] = {}
        self._counted: set[str] = set()
        self._unstructured: set[str] = set()
        self._lock = threading.Lock()
        if self.file.is_file():
            lines = [{**line, "text": replace_halves(line["text"])} for line in read_jsonl(self.file)]
            self._known = {line["key"]: line for line in lines}
            write_jsonl(self.file, lines)  # without a last line that a kill cut
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._handle = self.file.open("a", encoding="utf-8")

    def close(self) -> None:
        """Close the file of replies."""
        self._handle.close()

    @property
    def kept(self) -> int:
        """Replies that were there when this process began."""
        return len(self._known) - self.fresh.requests

    def send(
        self, client: EndpointClient, messages: list[Message], schema: JsonObject | None, **options: object
    ) -> JsonObject:
        """The reply to a request as a dict with ``text``, ``finish`` and ``time``.

        Args:
            client: of the server.
            messages: the conversation.
            schema: option ``response_format``; a server that refuses it gets the request without, and no more after.
            options: further ones: temperature, seed, max_tokens.

        Raises:
            LimitReached: it would be one too many.
            EndpointError: no answer.
        """
        key = sha256_text(json.dumps([client.url, client.model, messages, schema, options], sort_keys=True))
        with self._lock:
            if key in self._known:
                if key not in self._counted:
                    self._counted.add(key)
                    self.spent.add(self._known[key])
                return self._known[key]
            self._check_limits()
            self.spent.requests += 1  # before the reply: others send at the same time
        try:
            reply = self._ask(client, messages, schema, options)
        except BaseException:
            with self._lock:
                self.spent.requests -= 1
            raise
        line = {"key": key, "url": client.url, "model": client.model, "time": now(), **reply}
        with self._lock:
            self.spent.requests -= 1
            for spent in (self.spent, self.fresh):
                spent.add(line)
            self._counted.add(key)
            self._known[key] = line
            self._handle.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._handle.flush()
        return line

    def _check_limits(self) -> None:
        used, limits = self.spent, self.limits
        tokens, cost = used.prompt_tokens + used.completion_tokens, used.get_cost(self.price)
        for name, value, most in (
            ("requests", used.requests, limits.requests),
            ("tokens", tokens, limits.tokens),
            ("cost", cost, limits.cost),
        ):
            if most is not None and value >= most:
                raise LimitReached(f"data.generate.limits.{name} = {most:g} is used up")

    def _ask(
        self, client: EndpointClient, messages: list[Message], schema: JsonObject | None, options: JsonObject
    ) -> JsonObject:
        use = {"response_format": schema} if schema and client.url not in self._unstructured else {}
        try:
            reply = client.ask(messages, **options, **use)
        except EndpointError as error:
            if not use or error.status not in (400, 404, 415, 422, 501):
                raise
            reply = client.ask(messages, **options)  # it was the option, or this fails too
            if client.url not in self._unstructured:
                self._unstructured.add(client.url)
                say(f"{client.url} refuses structured output ({error.status}): replies are checked without it")
        letters = sum(len(str(message["content"])) for message in messages)
        counted = reply.prompt_tokens is not None and reply.completion_tokens is not None
        return {
            "text": reply.text,
            "finish": reply.finish,
            "prompt_tokens": reply.prompt_tokens if reply.prompt_tokens is not None else letters // LETTERS + 1,
            "completion_tokens": len(reply.text + reply.thoughts) // LETTERS + 1
            if reply.completion_tokens is None
            else reply.completion_tokens,
            "estimated": not counted,
        }


def get_client(place: Slice, name: str) -> EndpointClient:
    """The client of a section with url, model and key_env; ``name`` of the section.

    Raises:
        GaslampError: url or model is missing, or the key's variable is not set.
    """
    kept = "the replies that came are kept: run the same command"
    try:
        return EndpointClient(place.url, place.model, place.key_env, place=name, kept=kept)
    except GaslampError as error:
        error.less_likely = error.less_likely or "local: make deploy in a finished project serves its model"
        raise
