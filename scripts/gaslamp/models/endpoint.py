"""Requests to a model behind an OpenAI-compatible server: the one that the config names, and no other.

Redirects are not followed, since prompts would go to a server that nobody named; keys come from environment variables,
are sent encrypted or stay on this machine's network, and are in no message.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gaslamp.config.sections.endpoint import find_url_problem
from gaslamp.core.errors import GaslampError
from gaslamp.core.redaction import redact

if TYPE_CHECKING:
    from openai import OpenAI

TIMEOUT = 600.0
"""Seconds for one answer: a long one of a slow machine."""
CONNECT = 10.0
"""Seconds until a server has taken the connection."""
RETRIES = 2
"""Further tries after a lost connection or a status of 408, 409, 429 or 5xx, with growing waits."""
MOST_TOKENS = 100_000_000
"""Tokens of one request above which a server's count is none."""


def open_client(url: str, key: str | None, timeout: float = TIMEOUT, retries: int = RETRIES) -> OpenAI:
    """The OpenAI library's client of that server.

    Args:
        url: its base URL, which ends with /v1 on most servers.
        key: sent with each request; ``None`` where the server needs none.
        timeout: seconds for one answer.
        retries: further tries of a request that failed.
    """
    import httpx
    from openai import OpenAI

    http = httpx.Client(
        timeout=httpx.Timeout(timeout, connect=CONNECT),
        follow_redirects=False,
        trust_env=not is_loopback(url),  # a proxy of the user must not come between this process and its machine
    )
    return OpenAI(base_url=url, api_key=key or "none", timeout=http.timeout, max_retries=retries, http_client=http)


def is_loopback(url: str) -> bool:
    """Whether the server of ``url`` is this machine."""
    return _get_address(url, "is_loopback")


def is_near(url: str) -> bool:
    """Whether the server of ``url`` is this machine or one of its private network."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return _get_address(url, "is_private") or "." not in host or host.endswith((".local", ".internal", ".lan"))


def _get_address(url: str, kind: str) -> bool:
    import ipaddress

    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return bool(getattr(ipaddress.ip_address(host), kind))
    except ValueError:
        return False


def read_key(url: str, key_env: str | None) -> str | None:
    """The key from its environment variable.

    Raises:
        GaslampError: the variable is not set, or the key would cross the internet unencrypted.
    """
    if not key_env:
        return None
    key = os.environ.get(key_env, "").strip()
    if not key:
        raise GaslampError(
            f"the environment variable {key_env} is not set: it should hold the key for {url}",
            f"export {key_env}=... and run the same command",
            "the server needs no key: set key_env to null",
        )
    if not (key.isascii() and key.isprintable()):
        raise GaslampError(
            f"the key in {key_env} contains characters that no HTTP header can carry",
            "copy the key again, without quotation marks and line ends",
        )
    if urlsplit(url).scheme == "http" and not is_near(url):
        raise GaslampError(
            f"the key in {key_env} would be sent unencrypted to {url}",
            "write https:// in the URL",
            "the server has no https: reach it through an SSH tunnel (ssh -L 8081:127.0.0.1:8081 HOST) and name "
            "http://127.0.0.1:8081/v1",
        )
    return key


def replace_halves(text: str) -> str:
    """``text`` with U+FFFD for each half of a character (a lone surrogate), which no UTF-8 file can hold."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _read_count(value: object) -> int | None:
    """Tokens that a server counted; None where that is no number of tokens: they are then estimated."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        return None
    return int(value) if value == int(value) else None


class EndpointError(GaslampError):
    """A server did not answer; ``status``: of HTTP, or ``None`` where there was none."""

    def __init__(self, cause: str, fix: str, less_likely: str | None, status: int | None) -> None:
        super().__init__(cause, fix, less_likely)
        self.status = status


@dataclass(frozen=True)
class Reply:
    """What a model answered."""

    text: str
    finish: str  # stop, length, tool_calls, content_filter ...
    thoughts: str = ""  # what the server took out of the text as reasoning
    calls: list[dict[str, Any]] = field(default_factory=list)  # tool calls as the server gives them
    prompt_tokens: int | None = None  # None: the server does not count
    completion_tokens: int | None = None


class EndpointClient:
    """One model of one server. Threads may share it.

    Args:
        url, model, key_env: as in the config section ``Endpoint``.
        place: where the config names it, for messages: ``eval.endpoint``.
        kept: what happens to answers that came before an error, for messages.
        timeout, retries: see ``open_client``.

    Raises:
        GaslampError: URL or model is missing or wrong, or the key's variable is not set.
    """

    def __init__(
        self,
        url: str,
        model: str,
        key_env: str | None = None,
        *,
        place: str,
        kept: str | None = None,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
    ) -> None:
        if not url or not model:
            missing = " and ".join(name for name, value in (("url", url), ("model", model)) if not value)
            raise GaslampError(
                f"{place} in config.yaml names no {missing}",
                f"set {place}: {{url: http://127.0.0.1:8081/v1, model: NAME}}",
            )
        if problem := find_url_problem(url):
            raise GaslampError(f"{place}: {problem}", f"correct {place} in config.yaml")
        self.url, self.model, self.key_env, self.place, self.kept = url, model, key_env, place, kept
        self._key = read_key(url, key_env)
        self._client = open_client(url, self._key, timeout, retries)

    def ask(self, messages: Sequence[Mapping[str, object]], **options: object) -> Reply:
        """The answer to ``messages``.

        Args:
            messages: the conversation.
            options: of the request: max_tokens, temperature, top_p, seed, stop, tools, response_format ...

        Raises:
            EndpointError: no answer; cause and fixes.
        """
        from openai import OpenAIError

        try:
            answer = self._client.chat.completions.create(model=self.model, messages=list(messages), **options)
        except OpenAIError as error:
            raise self.explain(error) from error
        except (ValueError, RecursionError) as error:  # the library leaves what its JSON parser raises as it is
            raise self._refuse(f"its body is no JSON ({error})") from error
        return self._read(answer)

    def _read(self, answer: object) -> Reply:
        """The parts of an answer. The library checks none of them: each may be missing, or of another type."""
        choices = getattr(answer, "choices", None)
        if not isinstance(choices, list) or not choices:
            raise self._refuse(f"no list of choices: {answer}")
        message = getattr(choices[0], "message", None)
        if message is None or not hasattr(message, "content"):
            raise self._refuse(f"the first choice holds no message: {answer}")
        content, calls = message.content, getattr(message, "tool_calls", None) or []
        if not isinstance(content, str | None):
            raise self._refuse(f"the content of the message is a {type(content).__name__}, no text: {content}")
        if not isinstance(calls, list) or not all(hasattr(call, "model_dump") for call in calls):
            raise self._refuse(f"tool_calls is no list of calls: {calls}")
        thoughts = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
        finish, usage = getattr(choices[0], "finish_reason", None), getattr(answer, "usage", None)
        return Reply(
            replace_halves(content or ""),
            finish if isinstance(finish, str) else "",
            replace_halves(thoughts) if isinstance(thoughts, str) else "",
            [call.model_dump() for call in calls],
            _read_count(getattr(usage, "prompt_tokens", None)),
            _read_count(getattr(usage, "completion_tokens", None)),
        )

    def _refuse(self, problem: str) -> EndpointError:
        """An answer that is none of an OpenAI-compatible server."""
        return EndpointError(
            f"{self.url} answers, but not as an OpenAI-compatible server: {self._clean(problem)}",
            f"name its base URL in {self.place}: it ends with /v1 on most servers",
            "; ".join(
                part for part in ("look at the server's log, or take another server or version", self.kept) if part
            ),
            None,
        )

    def explain(self, error: Exception) -> EndpointError:
        """An error of the OpenAI library as cause and fixes; the key is not in it."""
        import openai

        status = getattr(error, "status_code", None)
        said = self._clean(str(error))
        start = "start the server (make deploy serves the exported model)" if is_near(self.url) else "check the network"
        cause, fix, less = f"{self.url} did not answer as {self.model}: {said}", f"check {self.place}", None
        if isinstance(error, openai.APITimeoutError):
            cause = f"{self.url} did not answer in time as {self.model}"
            fix = "lower the number of tokens that it may write, or take a smaller model or a faster machine"
            less = "the server hangs: look at its log"
        elif isinstance(error, openai.APIConnectionError):
            cause = f"no connection to {self.url}: {self._clean(str(error.__cause__ or error))}"
            fix, less = f"{start}, and check {self.place} in config.yaml", "a firewall or proxy refuses the connection"
        elif status in (401, 403):
            key = f"the key in {self.key_env}" if self.key_env else "a request without a key"
            cause = f"{self.url} refused {key} (HTTP {status}): {said}"
            fix = (
                f"set {self.place}.key_env to the variable that holds its key" if not self.key_env else "check the key"
            )
            less = f"the key has no access to {self.model}, or its account has no credit"
        elif status == 404:
            fix = f"check model in {self.place}" + (
                "" if self.url.rstrip("/").endswith("/v1") else ", and end url in /v1"
            )
            less = "the server lists its models: open the URL with /models behind it"
        elif status == 429:
            cause = f"{self.url} refuses more requests for now: {said}"
            fix, less = "wait some minutes and run the same command", "the quota or credit of the account is used up"
        elif status == 400:
            fix = "a prompt that is too long needs a server with a larger context, or shorter rows"
            less = f"the server does not know an option of the request, or model in {self.place} is wrong"
        elif isinstance(status, int) and status < 400:
            answer = getattr(error, "response", None)
            place = str(answer.headers.get("location", "elsewhere")) if answer is not None else "elsewhere"
            cause = f"{self.url} redirects to {self._clean(place)}, which config.yaml does not name"
            fix = f"name that address in {self.place}.url, if you trust it"
        elif isinstance(status, int):
            fix, less = "run the same command again in some minutes", "the server's log says what happened"
        return EndpointError(cause, fix, "; ".join(part for part in (less, self.kept) if part) or None, status)

    def _clean(self, text: str) -> str:
        """The beginning of a foreign message on one line, without secrets."""
        shown = text.replace(self._key, "***") if self._key else text
        shown = " ".join(redact(shown).split())
        return shown if len(shown) <= 300 else f"{shown[:300]} ..."
