"""Requests to a llama-server on this machine: answers, vectors, its chat template and its tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import httpx

from gaslamp.core.errors import GaslampError
from gaslamp.core.files import JsonObject

UNREADABLE = "does not match the expected"
"""What llama-server says of an answer that does not keep to its model's format (that of gpt-oss, for instance)."""
Messages = Sequence[Mapping[str, Any]]
"""A conversation: ``[{"role": "user", "content": "..."}, ...]``."""
Tools = Sequence[Mapping[str, Any]] | None
"""JSON schemas of the functions that a model may call."""


class Answer(TypedDict):
    """A generated answer."""

    text: str
    finish_reason: str  # stop, or length
    prompt_tokens: int
    completion_tokens: int
    timings: dict[str, float]  # llama-server's: milliseconds and tokens/s
    thoughts: NotRequired[str]  # what the chat endpoint took out of the text as reasoning
    calls: NotRequired[int]  # tool calls that it took out of the text
    ids: NotRequired[list[int]]  # on request: the generated tokens that end a character
    unread: NotRequired[str]  # the whole answer, where the server gave an error instead, because it cannot read it
    raw: NotRequired[list[int]]  # of a text prompt, on request: every generated token, by the completion endpoint


class LlamaClient:
    """A client of one llama-server.

    Args:
        url: of the server.
        key: API key; empty when it needs none.
        parallel: slots of the server: requests that it works on at the same time.
        has_lora: the server has an adapter loaded.
        log: file that the server prints to, for error messages.
    """

    def __init__(self, url: str, key: str, parallel: int, has_lora: bool, log: Path) -> None:
        self.parallel, self.has_lora, self.log = parallel, has_lora, log
        # trust_env: a proxy of the user must not come between this process and its own server
        self.http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=600.0,
            limits=httpx.Limits(max_connections=parallel + 2),
            trust_env=False,
        )

    def find_crash(self) -> GaslampError | None:
        """The error of a server process that has ended; ``None`` while it runs, or when it is not known."""
        return None

    def post(self, path: str, body: JsonObject) -> Any:
        """The decoded JSON answer to a POST request.

        Raises:
            GaslampError: no answer, or an error status.
        """
        try:
            answer = self.http.post(path, json=body)
        except httpx.TransportError as error:
            if crash := self.find_crash():
                raise crash from error
            raise GaslampError(
                f"llama-server did not answer {path}: {error or type(error).__name__}",
                "run the same command again",
                f"a very long answer on a slow machine: lower max_tokens; see {self.log}",
            ) from error
        if answer.status_code != 200:
            raise GaslampError(
                f"llama-server refused {path}: {_get_message(answer)}",
                "a prompt that is too long needs a larger context; otherwise see what it names",
                f"the chat template and the messages do not match; see {self.log}",
            )
        return answer.json()

    def chat(
        self,
        messages: Messages,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        stop: list[str] | None = None,
        lora: float | None = None,
        top_p: float = 1.0,
        tools: Tools = None,
        ids: bool = False,
        bias: dict[int, float] | None = None,
    ) -> Answer:
        """Answer one conversation.

        Args:
            messages: the conversation.
            max_tokens: length limit of the answer.
            temperature: 0 is greedy; above 0 only ``top_p`` limits the sampled tokens.
            seed: of the sampling.
            stop: texts that end the answer.
            lora: scale of the adapter for this request.
            top_p: nucleus of the sampling.
            tools: functions that the model may call. The answer is then the whole text as generated: the chat endpoint
                would parse calls out of it.
            ids: return the token ids too: text does not distinguish bytes that are not valid UTF-8.
            bias: token id -> what is added to its logit.

        Returns:
            The answer; one that the server cannot read has no text, and is ``unread``.
        """
        if tools:
            prompt = self.tokenize(self.apply_template(messages, tools))
            return self.complete(prompt, max_tokens, temperature, seed, stop, top_p)
        body: JsonObject = {"messages": list(messages), "max_tokens": max_tokens, "temperature": temperature}
        body |= {"seed": seed, "cache_prompt": lora is not None or not self.has_lora} | ({"stop": stop} if stop else {})
        body |= {"top_p": top_p, "top_k": 0, "min_p": 0.0} if temperature else {}
        if ids:  # they come with log-probabilities, of which one candidate is requested
            body |= {"logprobs": True, "top_logprobs": 1}
        body |= {"logit_bias": [[token, value] for token, value in bias.items()]} if bias else {}
        if lora is not None:
            body["lora"] = [{"id": 0, "scale": lora}]
        try:
            value = self.post("/v1/chat/completions", body)
        except GaslampError as error:
            if UNREADABLE not in error.cause:
                raise
            # a user gets an error, so there is no text; what the model wrote is kept for whoever looks for the cause
            prompt = self.tokenize(self.apply_template(messages, tools), add_special=True)
            unread = self.complete(prompt, max_tokens, temperature, seed, stop, top_p, ids=True, lora=lora)
            return {**unread, "ids": unread["raw"], "unread": unread["text"], "text": ""}
        choice, usage = value["choices"][0], value["usage"]
        answer: Answer = {
            "text": choice["message"].get("content") or "",
            "finish_reason": choice["finish_reason"],
            "prompt_tokens": usage["prompt_tokens"],
            "completion_tokens": usage["completion_tokens"],
            "timings": value.get("timings", {}),
            "thoughts": choice["message"].get("reasoning_content") or "",
            "calls": len(choice["message"].get("tool_calls") or ()),
        }
        if ids:
            answer["ids"] = [token["id"] for token in (choice.get("logprobs") or {}).get("content", ())]
        return answer

    def generate(self, messages: Messages, max_tokens: int, tools: Tools = None) -> list[int]:
        """The greedy answer to a conversation as token ids, all of them: nothing is parsed out of it."""
        prompt = self.tokenize(self.apply_template(messages, tools), add_special=True)
        return self.complete(prompt, max_tokens, ids=True)["raw"]

    def complete(
        self,
        prompt: str | list[int],
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        stop: list[str] | None = None,
        top_p: float = 1.0,
        ids: bool = False,
        lora: float | None = None,
    ) -> Answer:
        """Continue a rendered prompt (text or token ids); the other arguments are those of ``chat``.

        With ``ids`` every generated token is in ``raw``. Nothing is parsed out of the text.
        """
        body: JsonObject = {"prompt": prompt, "n_predict": max_tokens, "temperature": temperature, "seed": seed}
        body |= {"return_tokens": True} if ids else {}
        body |= {} if lora is None else {"lora": [{"id": 0, "scale": lora}]}
        body |= {"top_p": top_p, "top_k": 0, "min_p": 0.0} if temperature else {}
        body |= {"cache_prompt": not self.has_lora} | ({"stop": stop} if stop else {})
        value = self.post("/completion", body)
        answer: Answer = {
            "text": value["content"],
            "finish_reason": "length" if value.get("stop_type") == "limit" else "stop",
            "prompt_tokens": value["tokens_evaluated"],
            "completion_tokens": value["tokens_predicted"],
            "timings": value.get("timings", {}),
        }
        if ids:
            answer["raw"] = value["tokens"]
        return answer

    def embed(self, texts: Sequence[list[int]], batch_size: int = 64) -> list[list[float]]:
        """One vector for each text (token ids), not normalized. The server must have been started with ``pooling``."""
        found: list[list[float]] = []
        for start in range(0, len(texts), batch_size):
            part = list(texts[start : start + batch_size])
            # this endpoint answers with a list, not necessarily in the order of the texts
            answers = self.post("/embedding", {"content": part, "embd_normalize": -1})
            vectors = {answer["index"]: answer["embedding"] for answer in answers}
            found += [vectors[n][0] for n in range(len(part))]
        return found

    def get_media_marker(self) -> str:
        """The text that marks an image in a rendered prompt; it is another one at each start of the server."""
        marker: str = self.http.get("/props").raise_for_status().json()["media_marker"]
        return marker

    def apply_template(self, messages: Messages, tools: Tools = None, generate: bool = True) -> str:
        """The prompt that the file's own chat template renders; with ``generate`` it ends where the answer begins."""
        body: JsonObject = {"messages": list(messages)}
        body |= {"tools": tools} if tools else {}
        body |= {} if generate else {"add_generation_prompt": False}
        text: str = self.post("/apply-template", body)["prompt"]
        return text

    def tokenize(self, text: str, add_special: bool = False, parse_special: bool = True) -> list[int]:
        """Token ids of ``text``; ``add_special`` adds BOS, ``parse_special`` reads ``<|im_end|>`` as one token."""
        body = {"content": text, "add_special": add_special, "parse_special": parse_special}
        tokens: list[int] = self.post("/tokenize", body)["tokens"]
        return tokens

    def generate_batch(
        self,
        conversations: Sequence[Messages],
        max_tokens: int,
        on_done: Callable[[int, Answer], None] | None = None,
        workers: int | None = None,
        tools: Sequence[Tools] | None = None,
        **settings: Any,
    ) -> list[Answer]:
        """Answer many conversations at a time. The first error ends the batch.

        Args:
            conversations: to be answered.
            max_tokens: length limit of each answer.
            on_done: called with index and answer, from worker threads, as answers come in.
            workers: requests at a time; default: one for each slot.
            tools: of each conversation.
            settings: further arguments of ``chat``.

        Returns:
            The answers, in the order of the conversations.
        """

        def answer(item: tuple[int, Messages]) -> Answer:
            result = self.chat(item[1], max_tokens, tools=tools[item[0]] if tools else None, **settings)
            if on_done:
                on_done(item[0], result)
            return result

        pool = ThreadPoolExecutor(max_workers=workers or self.parallel)
        try:
            return list(pool.map(answer, enumerate(conversations)))
        finally:
            pool.shutdown(cancel_futures=True)


def _get_message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code} {answer.text[:200]}"
